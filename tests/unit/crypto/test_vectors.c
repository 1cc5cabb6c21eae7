/* Hashes, HMAC, PBKDF2, AES and its modes, CMAC and key wrap against published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "crypto/aes.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/keywrap.h"
#include "crypto/pbkdf2.h"
#include "tests/unit/vectors.h"

static void hashes(void **state)
{
    static const struct {
        at_hash_kind kind;
        const char *text, *digest;
    } vectors[] = {
        { AT_HASH_MD5, "", "d41d8cd98f00b204e9800998ecf8427e" },
        { AT_HASH_MD5, "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
        { AT_HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
        { AT_HASH_SHA1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "84983e441c3bd26ebaae4aa1f95129e5e54670f1" },
        { AT_HASH_SHA256, "abc",
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { AT_HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    (void)state;
    for (size_t i = 0; i < AT_COUNT(vectors); i++) {
        size_t len = strlen(vectors[i].text);
        uint8_t out[AT_HASH_MAX];
        at_hash hash, copy;

        assert_true(at_hash_of(vectors[i].kind, vectors[i].text, len, out));
        expect(out, vectors[i].digest);
        assert_true(at_hash_start(&hash, vectors[i].kind));
        for (size_t at = 0; at < len; at++)
            assert_true(at_hash_add(&hash, vectors[i].text + at, 1));
        copy = hash;
        assert_true(at_hash_finish(&hash, out));
        memset(out, 0, sizeof out);
        assert_true(at_hash_finish(&copy, out));
        expect(out, vectors[i].digest);
    }
    assert_int_equal(at_hash_len(AT_HASH_MD5), 16);
    assert_int_equal(at_hash_len((at_hash_kind)9), 0);
    assert_false(at_hash_start(&(at_hash){ 0 }, (at_hash_kind)9));
}

/* RFC 2202 and RFC 4231. */
static void hmacs(void **state)
{
    uint8_t key[131], out[AT_HASH_MAX];
    at_hmac hmac;

    (void)state;
    memset(key, 0x0b, sizeof key);
    assert_true(at_hmac_of(AT_HASH_SHA1, key, 20, "Hi There", 8, out));
    expect(out, "b617318655057264e28bc0b6fb378c8ef146be00");
    assert_true(at_hmac_of(AT_HASH_SHA256, key, 20, "Hi There", 8, out));
    expect(out, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_true(at_hmac_of(AT_HASH_MD5, key, 16, "Hi There", 8, out));
    expect(out, "9294727a3638bb1c13f48ef8158bfc9d");
    memset(key, 0xaa, sizeof key); /* longer than a block */
    assert_true(at_hmac_of(AT_HASH_SHA256, key, 131,
                           "Test Using Larger Than Block-Size Key - Hash Key First", 54, out));
    expect(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    /* Many messages under one key. */
    assert_true(at_hmac_start(&hmac, AT_HASH_SHA1, "Jefe", 4));
    for (unsigned i = 0; i < 3; i++) {
        at_hmac_add(&hmac, "what do ya want ", 16);
        at_hmac_add(&hmac, "for nothing?", 12);
        at_hmac_finish(&hmac, out);
        expect(out, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
    }
    at_hmac_clear(&hmac);
    assert_true(at_equal_secret("abcd", "abcd", 4));
    assert_false(at_equal_secret("abcd", "abce", 4));
}

/* RFC 6070. */
static void pbkdf2(void **state)
{
    uint8_t out[25];

    (void)state;
    assert_int_equal(at_pbkdf2(AT_HASH_SHA1, "password", 8, "salt", 4, 1, out, 20), AT_OK);
    expect(out, "0c60c80f961f0e71f3a9b524af6012062fe037a6");
    assert_int_equal(at_pbkdf2(AT_HASH_SHA1, "password", 8, "salt", 4, 4096, out, 20), AT_OK);
    expect(out, "4b007901b765489abead49d926f721d065a429c1");
    assert_int_equal(at_pbkdf2(AT_HASH_SHA1, "passwordPASSWORDpassword", 24,
                               "saltSALTsaltSALTsaltSALTsaltSALTsalt", 36, 4096, out, 25),
                     AT_OK);
    expect(out, "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038");
    assert_int_equal(at_pbkdf2(AT_HASH_SHA1, "pass\0word", 9, "sa\0lt", 5, 4096, out, 16), AT_OK);
    expect(out, "56fa6aa75548099dcc37d7f03425e0c3");
    assert_int_equal(at_pbkdf2(AT_HASH_SHA1, "p", 1, "s", 1, 0, out, 16), AT_ERR_INVALID);
    assert_int_equal(at_pbkdf2((at_hash_kind)9, "p", 1, "s", 1, 1, out, 16), AT_ERR_INVALID);
}

/* FIPS 197 appendix C. */
static void aes_blocks(void **state)
{
    static const struct {
        const char *key, *out;
    } vectors[] = {
        { "000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a" },
        { "000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191" },
        { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
          "8ea2b7ca516745bfeafc49904b496089" },
    };
    at_aes aes;

    (void)state;
    for (size_t i = 0; i < AT_COUNT(vectors); i++) {
        uint8_t key[32], block[16];
        size_t key_len = hex(vectors[i].key, key);

        hex("00112233445566778899aabbccddeeff", block);
        assert_int_equal(at_aes_start(&aes, AT_AES_ENCRYPT, key, key_len), AT_OK);
        at_aes_block(&aes, block, block);
        expect(block, vectors[i].out);
        at_aes_clear(&aes);
        assert_int_equal(at_aes_start(&aes, AT_AES_DECRYPT, key, key_len), AT_OK);
        at_aes_block(&aes, block, block);
        expect(block, "00112233445566778899aabbccddeeff");
        at_aes_clear(&aes);
        assert_int_equal(at_aes_start(&aes, AT_AES_ENCRYPT, key, key_len - 1), AT_ERR_INVALID);
    }
}

/* SP 800-38A, F.2.1, F.3.13, F.5.1: two blocks each. */
#define KEY_38A   "2b7e151628aed2a6abf7158809cf4f3c"
#define PLAIN_38A "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"

static void aes_modes(void **state)
{
    uint8_t key[16], iv[16], plain[32], text[32];
    at_aes aes, back;

    (void)state;
    hex(KEY_38A, key);
    hex(PLAIN_38A, plain);
    assert_int_equal(at_aes_start(&aes, AT_AES_ENCRYPT, key, 16), AT_OK);
    assert_int_equal(at_aes_start(&back, AT_AES_DECRYPT, key, 16), AT_OK);

    hex("000102030405060708090a0b0c0d0e0f", iv);
    assert_int_equal(at_aes_cbc(&aes, iv, plain, 16, text), AT_OK); /* in two calls */
    assert_int_equal(at_aes_cbc(&aes, iv, plain + 16, 16, text + 16), AT_OK);
    expect(text, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
    hex("000102030405060708090a0b0c0d0e0f", iv);
    assert_int_equal(at_aes_cbc(&back, iv, text, 32, text), AT_OK);
    assert_memory_equal(text, plain, 32);
    assert_int_equal(at_aes_cbc(&aes, iv, plain, 15, text), AT_ERR_INVALID);
    assert_int_equal(at_aes_cbc(&aes, iv, plain, 0, text), AT_OK);

    hex("000102030405060708090a0b0c0d0e0f", iv);
    at_aes_cfb128(&aes, AT_AES_ENCRYPT, iv, plain, 32, text);
    expect(text, "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b");
    hex("000102030405060708090a0b0c0d0e0f", iv);
    at_aes_cfb128(&aes, AT_AES_DECRYPT, iv, text, 32, text);
    assert_memory_equal(text, plain, 32);

    hex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", iv);
    at_aes_ctr(&aes, iv, plain, 31, text);
    expect(text, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffd");
    at_aes_clear(&aes);
    at_aes_clear(&back);
}

/* RFC 4493 section 4. */
static void cmac(void **state)
{
    static const struct {
        size_t len;
        const char *mac;
    } vectors[] = {
        { 0, "bb1d6929e95937287fa37d129b756746" },
        { 16, "070a16b46b4d4144f79bdd9dd04a287c" },
        { 40, "dfa66747de9ae63030ca32611497c827" },
        { 64, "51f0bebf7e3b9d92fc49741779363cfe" },
    };
    uint8_t key[16], text[64], mac[16];

    (void)state;
    hex(KEY_38A, key);
    hex(PLAIN_38A "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710", text);
    for (size_t i = 0; i < AT_COUNT(vectors); i++) {
        assert_int_equal(at_aes_cmac(key, 16, text, vectors[i].len, mac), AT_OK);
        expect(mac, vectors[i].mac);
    }
    assert_int_equal(at_aes_cmac(key, 15, text, 16, mac), AT_ERR_INVALID);
}

/* RFC 3394 section 4. */
static void keywrap(void **state)
{
    static const struct {
        const char *kek, *key, *wrapped;
    } vectors[] = {
        { "000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
          "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5" },
        { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
          "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
          "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21" },
    };
    uint8_t kek[32], key[40], wrapped[48], out[40];

    (void)state;
    for (size_t i = 0; i < AT_COUNT(vectors); i++) {
        size_t kek_len = hex(vectors[i].kek, kek), len = hex(vectors[i].key, key);

        assert_int_equal(at_keywrap(kek, kek_len, key, len, wrapped), AT_OK);
        expect(wrapped, vectors[i].wrapped);
        assert_int_equal(at_keyunwrap(kek, kek_len, wrapped, len + 8, out), AT_OK);
        assert_memory_equal(out, key, len);
        for (size_t bit = 0; bit < 8 * (len + 8); bit++) {
            wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(at_keyunwrap(kek, kek_len, wrapped, len + 8, out), AT_ERR_AUTH);
            assert_int_equal(out[0] | out[len - 1], 0);
            wrapped[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
    assert_int_equal(at_keywrap(kek, 16, key, 8, wrapped), AT_ERR_INVALID);
    assert_int_equal(at_keywrap(kek, 16, key, 17, wrapped), AT_ERR_INVALID);
    assert_int_equal(at_keywrap(kek, 15, key, 16, wrapped), AT_ERR_INVALID);
    for (size_t len = 0; len < 24; len++)
        assert_int_equal(at_keyunwrap(kek, 16, wrapped, len, out), AT_ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),     cmocka_unit_test(hmacs),     cmocka_unit_test(pbkdf2),
        cmocka_unit_test(aes_blocks), cmocka_unit_test(aes_modes), cmocka_unit_test(cmac),
        cmocka_unit_test(keywrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
