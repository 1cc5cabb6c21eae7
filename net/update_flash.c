/* What an update writes. An image's header is judged before the first sector is erased for it, the whole
 * image when all of it is on flash; the otadata partition is touched last.
 */
#include "net/update_priv.h"

#include <string.h>

#include "core/bytes.h"

at_err update_check_length(at_update *u, const at_http_response *response)
{
    if (response->body == AT_HTTP_BODY_NONE)
        return update_note(u, AT_ERR_CORRUPT, "the file is empty");
    if (response->body == AT_HTTP_BODY_COUNTED && response->length > u->target.size)
        return update_note(u, AT_ERR_INVALID, "the file has %lu bytes, \"%s\" holds %lu",
                           (unsigned long)AT_MIN(response->length, UINT32_MAX), u->target.label,
                           (unsigned long)u->target.size);
    if (response->body == AT_HTTP_BODY_TO_END && !u->is_app)
        return update_note(u, AT_ERR_UNSUPPORTED, "the server does not say how long the file is");
    return AT_OK;
}

static at_err write_piece(at_update *u)
{
    at_err err;

    if (!u->writing) {
        u->writing = true;
        u->config.on_write(u->config.owner, &u->target);
    }
    err = at_upload_add(&u->upload, u->piece, u->kept);
    u->kept = 0;
    if (err == AT_ERR_INVALID)
        return update_note(u, AT_ERR_INVALID, "the file is longer than \"%s\" (0x%lx bytes)",
                           u->target.label, (unsigned long)u->target.size);
    return err == AT_OK ? AT_OK : update_note(u, err, "the flash chip refused to write");
}

/* A piece came in; the header of an image is judged before anything is erased for it. */
at_err update_take_piece(at_update *u)
{
    const char *wrong;

    if (u->is_app && !u->writing) {
        if (u->kept < AT_IMAGE_HEADER)
            return AT_OK;
        wrong = at_image_check_header(u->piece);
        if (wrong != NULL)
            return update_note(u, AT_ERR_CORRUPT, "the image %s", wrong);
    }
    return write_piece(u);
}

static at_err judge_image(at_update *u)
{
    at_image_info info;
    const char *wrong = "is erased flash";
    at_err err = at_image_check(u->config.chip, u->target.offset, u->target.size, &info, &wrong);

    if (err != AT_OK)
        return update_note(u, err, "the image %s", err == AT_ERR_IO ? "cannot be read" : wrong);
    if (info.len > u->upload.written)
        return update_note(u, AT_ERR_CORRUPT, "the image is longer than the file");
    if (!info.described)
        return update_note(u, AT_ERR_CORRUPT, "the image does not say which firmware it is");
    if (u->version[0] != '\0' && strcmp(info.version, u->version) != 0)
        return update_note(u, AT_ERR_CORRUPT, "the image is %s, not %s as the server says",
                           info.version, u->version);
    at_log(u->config.log, AT_LOG_INFO, "update", "%s %s, %lu bytes, is in \"%s\"", info.project,
           info.version, (unsigned long)info.len, u->target.label);
    return AT_OK;
}

static at_err switch_slot(at_update *u)
{
    at_ota *ota = u->config.ota;
    unsigned slot = 0;
    at_err err;

    while (slot + 1 < ota->count && ota->slots[slot]->offset != u->target.offset)
        slot++;
    err = at_ota_switch(ota, slot);
    return err == AT_OK ? AT_OK : update_note(u, err, "the slot could not be switched");
}

at_err update_complete(at_update *u)
{
    at_err err = AT_OK;

    if (u->is_app && !u->writing)
        return update_note(u, AT_ERR_CORRUPT, "%lu bytes are no image", (unsigned long)u->kept);
    if (!u->writing) /* in chunks: no length has told it before */
        return update_note(u, AT_ERR_CORRUPT, "the file is empty");
    if (!u->is_app) {
        err = at_upload_clear_rest(&u->upload);
        return err == AT_OK ? AT_OK : update_note(u, err, "the flash chip refused to erase");
    }
    err = judge_image(u);
    return err == AT_OK ? switch_slot(u) : err;
}
