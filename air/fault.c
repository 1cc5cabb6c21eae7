/* Faults: when they act, and what they add up to for each access point.
 *
 * A fault that is switched on waits its after_ms, then until after_bytes of data have passed its
 * access point (both directions together), then it is active until it is switched off. A fault
 * without an access point is on all of them; one with a station is on the links of that one only.
 *
 * What a fault does to frames takes effect with the very next frame. What it does to members
 * (taking power, throwing them out) is put off to a task: the frame that filled the byte counter
 * may be on its way out of an uplink that goes away with the member.
 */
#include "air/air_priv.h"

#include <string.h>

#include "core/bytes.h"

static const char *const state_names[AIR_FAULT_STATES] = {
    [AIR_FAULT_OFF] = "off",
    [AIR_FAULT_WAIT_TIME] = "waits for its time",
    [AIR_FAULT_WAIT_BYTES] = "waits for its bytes",
    [AIR_FAULT_ACTIVE] = "active",
};

const char *air_fault_state_name(air_fault_state state)
{
    return (unsigned)state < AIR_FAULT_STATES ? state_names[state] : "?";
}

static bool concerns(const air_fault *fault, const air_ap *ap)
{
    return fault->def.ap[0] == '\0' || strcmp(fault->def.ap, ap->def->name) == 0;
}

/* station NULL: what concerns all of the access point. */
static bool concerns_link(const air_fault *fault, const air_ap *ap, const uint8_t *station)
{
    return concerns(fault, ap) &&
           (!fault->def.one_station ||
            (station != NULL && memcmp(fault->def.station, station, 6) == 0));
}

static air_effects sum_of(const air_ap *ap, const uint8_t *station)
{
    air_effects sum = { .loss = 0 };
    const at_air *air = ap->air;

    for (uint32_t i = 0; i < air->fault_count; i++) {
        const at_world_fault *def = &air->faults[i].def;

        if (air->faults[i].state != AIR_FAULT_ACTIVE ||
            !concerns_link(&air->faults[i], ap, station))
            continue;
        sum.kinds[def->kind] = true;
        if (def->kind == AT_FAULT_LOSS)
            sum.loss = AT_MAX(sum.loss, def->value);
        else if (def->kind == AT_FAULT_DUPLICATE)
            sum.duplicate = AT_MAX(sum.duplicate, def->value);
        else if (def->kind == AT_FAULT_DELAY)
            sum.delay_us += (uint64_t)def->value * 1000u;
        else if (def->kind == AT_FAULT_RATE && (sum.rate == 0 || def->value < sum.rate))
            sum.rate = def->value;
        else if (def->kind == AT_FAULT_BAD_DNS)
            sum.bad_dns = (at_bad_dns)def->value;
    }
    return sum;
}

void air_add_up_link(at_air_port *port)
{
    port->effects = sum_of(port->ap, port->mac);
}

void air_add_up(air_ap *ap)
{
    ap->effects = sum_of(ap, NULL);
    for (at_air_port *port = ap->members; port != NULL; port = port->next_member)
        air_add_up_link(port);
    if (ap->host == NULL)
        air_dhcp_mode(ap);
}

static void add_up_all(at_air *air)
{
    air->counting = 0;
    for (uint32_t i = 0; i < air->fault_count; i++)
        air->counting += air->faults[i].state == AIR_FAULT_WAIT_BYTES ? 1u : 0u;
    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap))
        air_add_up(ap);
    at_loop_post(air->config.loop, &air->strike);
}

/* A station under it may have missed what the IPv6 router said. */
static bool makes_deaf(at_fault_kind kind)
{
    return kind == AT_FAULT_LOSS || kind == AT_FAULT_HALF_OPEN || kind == AT_FAULT_NO_RA;
}

/* The one place where a fault changes its state. */
static void set_state(air_fault *fault, air_fault_state state)
{
    at_air *air = fault->air;

    if (fault->state == state)
        return;
    at_log(air->config.log, AT_LOG_DEBUG, "air", "fault %s: %s -> %s", fault->def.name,
           air_fault_state_name(fault->state), air_fault_state_name(state));
    if (state == AIR_FAULT_ACTIVE || fault->state == AIR_FAULT_ACTIVE) {
        at_log(air->config.log, AT_LOG_INFO, "air", "fault %s (%s) %s", fault->def.name,
               at_fault_kind_name(fault->def.kind), state == AIR_FAULT_ACTIVE ? "on" : "off");
        air_event(air, "fault", "\"name\":\"%s\",\"kind\":\"%s\",\"active\":%s", fault->def.name,
                  at_fault_kind_name(fault->def.kind),
                  state == AIR_FAULT_ACTIVE ? "true" : "false");
    }
    at_timer_stop(air->config.loop, &fault->timer);
    fault->healed = fault->state == AIR_FAULT_ACTIVE && makes_deaf(fault->def.kind);
    fault->state = state;
    fault->strike = state == AIR_FAULT_ACTIVE;
    add_up_all(air);
}

static void wait_for_bytes(void *arg)
{
    air_fault *fault = arg;

    fault->bytes_left = fault->def.after_bytes;
    set_state(fault, fault->bytes_left > 0 ? AIR_FAULT_WAIT_BYTES : AIR_FAULT_ACTIVE);
}

static void switch_on(air_fault *fault)
{
    if (fault->def.after_ms == 0) {
        wait_for_bytes(fault);
        return;
    }
    set_state(fault, AIR_FAULT_WAIT_TIME);
    at_timer_in(fault->air->config.loop, &fault->timer, (uint64_t)fault->def.after_ms * 1000u);
}

void air_count_bytes(const at_air_port *port, size_t len)
{
    at_air *air = port->air;

    if (air->counting == 0)
        return;
    for (uint32_t i = 0; i < air->fault_count; i++) {
        air_fault *fault = &air->faults[i];

        if (fault->state != AIR_FAULT_WAIT_BYTES || !concerns_link(fault, port->ap, port->mac))
            continue;
        fault->bytes_left -= AT_MIN(fault->bytes_left, (uint64_t)len);
        if (fault->bytes_left == 0)
            set_state(fault, AIR_FAULT_ACTIVE);
    }
}

static void throw_out(const air_fault *fault, air_ap *ap)
{
    at_air_port *next;

    for (at_air_port *port = ap->members; port != NULL; port = next) {
        next = port->next_member;
        if (!port->wired && concerns_link(fault, ap, port->mac))
            air_deauth(port, AT_REASON_UNSPECIFIED);
    }
}

static void tell_healed(const air_fault *fault)
{
    at_air *air = fault->air;

    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
        at_air_port *next;

        for (at_air_port *port = ap->members; port != NULL; port = next) {
            next = port->next_member;
            if (concerns_link(fault, ap, port->mac))
                air_gateway6_heard(port);
        }
    }
}

/* The task behind set_state. */
static void strike(void *arg)
{
    at_air *air = arg;

    for (uint32_t i = 0; i < air->fault_count; i++) {
        air_fault *fault = &air->faults[i];

        if (fault->healed) {
            fault->healed = false;
            tell_healed(fault);
        }
        if (!fault->strike)
            continue;
        fault->strike = false;
        if (fault->def.kind != AT_FAULT_DEAUTH)
            continue;
        for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap)) {
            throw_out(fault, ap);
        }
        set_state(fault, AIR_FAULT_OFF); /* once */
    }
    for (air_ap *ap = air_next_ap(air, NULL); ap != NULL; ap = air_next_ap(air, ap))
        air_update_power(ap);
}

/* From outside of any frame's way there is no reason to wait for the task. */
static void settle(at_air *air)
{
    strike(air);
    at_loop_unpost(air->config.loop, &air->strike);
}

static void place(at_air *air, uint32_t index, const at_world_fault *def)
{
    air_fault *fault = &air->faults[index];

    *fault = (air_fault){ .air = air, .def = *def, .state = AIR_FAULT_OFF };
    at_timer_init(&fault->timer, wait_for_bytes, fault);
    if (def->armed)
        switch_on(fault);
}

void air_faults_init(at_air *air)
{
    at_task_init(&air->strike, strike, air);
    for (uint32_t i = 0; i < air->world.fault_count; i++) {
        air->fault_count = i + 1;
        place(air, i, &air->world.faults[i]);
    }
    settle(air);
}

void air_faults_stop(at_air *air)
{
    for (uint32_t i = 0; i < air->fault_count; i++)
        at_timer_stop(air->config.loop, &air->faults[i].timer);
    at_loop_unpost(air->config.loop, &air->strike);
}

static air_fault *find(at_air *air, const char *name)
{
    for (uint32_t i = 0; i < air->fault_count; i++) {
        if (strcmp(air->faults[i].def.name, name) == 0)
            return &air->faults[i];
    }
    return NULL;
}

at_err at_air_fault(at_air *air, const char *name, bool on)
{
    air_fault *fault = find(air, name);

    if (fault == NULL)
        return AT_ERR_NOT_FOUND;
    if (!on)
        set_state(fault, AIR_FAULT_OFF);
    else if (fault->state == AIR_FAULT_OFF)
        switch_on(fault);
    settle(air);
    return AT_OK;
}

at_err at_air_add_fault(at_air *air, const at_world_fault *def)
{
    air_fault *fault = find(air, def->name);

    if (!at_world_name_ok(def->name) || at_fault_problem(def) != NULL)
        return AT_ERR_INVALID;
    if (def->ap[0] != '\0' && air_find_ap(air, def->ap) == NULL)
        return AT_ERR_NOT_FOUND;
    if (fault != NULL) {
        set_state(fault, AIR_FAULT_OFF);
        place(air, (uint32_t)(fault - air->faults), def);
    } else {
        if (air->fault_count == AT_WORLD_FAULTS)
            return AT_ERR_NOMEM;
        place(air, air->fault_count++, def);
    }
    settle(air);
    return AT_OK;
}
