/* Where no port has a better one. */
#include "crypto/sha1_block.h"

at_sha1_block *at_sha1_block_best(void)
{
    return at_sha1_block_plain;
}
