/* What the two halves of the world file's parser share. */
#ifndef AIR_WORLD_PRIV_H
#define AIR_WORLD_PRIV_H

#include "air/ini.h"
#include "air/world.h"

typedef struct world_parse {
    at_world *world;
    const char *name; /* of the file */
    char *error;
    size_t room;
    at_ini ini;
    const struct world_section *section;
    void *target;            /* what the section's keys write to */
    char section_text[64];   /* "ap home", for messages */
    uint32_t seen;           /* keys of this section, by their place in the table */
    bool own_aps, own_hosts; /* the file has some: the built-in ones are gone */
    bool ap_auth[AT_WORLD_APS], ap_pmf[AT_WORLD_APS], ap_pool[AT_WORLD_APS];
    uint32_t ap_lines[AT_WORLD_APS], fault_lines[AT_WORLD_FAULTS], host_lines[AT_WORLD_HOSTS];
    uint32_t world_seen; /* keys of [world], which may be opened again */
} world_parse;

typedef struct world_key {
    const char *name;
    bool (*set)(world_parse *p, const struct world_key *key, const char *value);
    size_t offset, size; /* of the number in the target */
    int64_t low, high;
} world_key;

typedef struct world_section {
    const char *name;
    bool named;
    bool (*open)(world_parse *p, const char *name); /* sets target */
    const world_key *keys;                          /* NULL: any key, set_any */
    size_t key_count;
    bool (*set_any)(world_parse *p, const char *key, const char *value);
} world_section;

/* The setters' tables; finds a section by its first word, NULL: unknown. */
const world_section *world_section_find(const char *word);
/* "[ap NAME], [host NAME] ..." */
extern const char world_section_list[];
/* Always false, so that a setter can return it: "FILE:LINE: " and the text become the error. */
bool world_fail(world_parse *p, uint32_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool world_open_ap(world_parse *p, const char *name);
bool world_open_host(world_parse *p, const char *name);
bool world_open_fault(world_parse *p, const char *name);
void world_ap_default(at_world_ap *ap, unsigned index, const char *name);
/* The usual DHCP pool of the access point's network. */
void world_pool_default(at_world_ap *ap);
/* The usual prefix for IPv6: the first three numbers of the gateway behind fd00. */
void world_prefix6_default(at_world_ap *ap);
/* A number of an IPv4 address as a group of an IPv6 address that reads the same: 192 is 0x0192. */
void world_digits6(uint8_t group[2], uint8_t number);
bool world_parse_ipv4(const char *text, uint32_t *address);

#endif
