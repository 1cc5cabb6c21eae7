#!/usr/bin/env python3
"""SAE and OWE with group 19 once more, slowly and from the standards alone (IEEE 802.11-2020 12.4, RFC 8110).

Shares no code with the C sources.  Prints the numbers that test_sae.c expects; run it by hand after a change of them."""
import hashlib
import hmac

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
R = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def mul(k, p):
    total = None
    for bit in bin(k)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, p)
    return total


def curve(x):
    return (x ** 3 - 3 * x + B) % P


def is_square(v):
    return v == 0 or pow(v, (P - 1) // 2, P) == 1


def octets(n):
    return n.to_bytes(32, "big")


def mac(key, *data):
    return hmac.new(key, b"".join(data), hashlib.sha256).digest()


def kdf(key, label, context, bits):
    out = b""
    while len(out) * 8 < bits:
        out += mac(key, (len(out) // 32 + 1).to_bytes(2, "little"), label, context, bits.to_bytes(2, "little"))
    return out[:bits // 8]


def hkdf_expand(key, info, size):
    out = block = b""
    while len(out) < size:
        block = mac(key, block, info, bytes([len(out) // 32 + 1]))
        out += block
    return out[:size]


def addresses(a, b):
    return max(a, b) + min(a, b)


def looping(password, a, b):
    for counter in range(1, 41):
        seed = mac(addresses(a, b), password, bytes([counter]))
        x = int.from_bytes(kdf(seed, b"SAE Hunting and Pecking", octets(P), 256), "big")
        if x < P and is_square(curve(x)):
            y = pow(curve(x), (P + 1) // 4, P)
            return x, y if y % 2 == seed[-1] % 2 else P - y
    raise ValueError("no point")


def sswu(u):
    z = P - 10
    m = (z * z * pow(u, 4, P) + z * u * u) % P
    x1 = B * pow(-3 * z, -1, P) % P if m == 0 else -B * pow(-3, -1, P) * (1 + pow(m, -1, P)) % P
    x = x1 if is_square(curve(x1)) else z * u * u * x1 % P
    y = pow(curve(x), (P + 1) // 4, P)
    return x, y if y % 2 == u % 2 else P - y


def password_token(ssid, password):
    seed = mac(ssid, password)
    parts = [int.from_bytes(hkdf_expand(seed, b"SAE Hash to Element u%d P%d" % (i, i), 48), "big") % P for i in (1, 2)]
    return add(sswu(parts[0]), sswu(parts[1]))


def hash_to_element(ssid, password, a, b):
    value = int.from_bytes(mac(bytes(32), addresses(a, b)), "big") % (R - 1) + 1
    return mul(value, password_token(ssid, password))


def commit(pwe, rand, mask):
    x, y = mul(mask, pwe)
    return (rand + mask) % R, (x, P - y)


def keys(pwe, rand, own, peer):
    k = mul(rand, add(mul(peer[0], pwe), peer[1]))
    context = octets((own[0] + peer[0]) % R)
    both = kdf(mac(bytes(32), octets(k[0])), b"SAE KCK and PMK", context, 512)
    return both[:32], both[32:], context[:16]


def show(name, *values):
    print(name, *(octets(v).hex() if isinstance(v, int) else v.hex() for v in values))


def main():
    own, peer = bytes.fromhex("827b919dd4b9"), bytes.fromhex("1eec49ea6488")
    password = b"mekmitasdigoat" + b"psk4internet"
    rand = 0xA906F61E4D3A5D4EB2965FF34CF917DD044445C878C17CA5D5B93786DA9F83CF
    mask = 0x4234B4FB17AA435C52FBFDEBE64039B43478200E54FF7B6E07B69CAD74153C15
    theirs = (0x5564F045B2EA1E566CF1DD741F70D9BE35D2DF5B9A5502946EE03CF8DAE27E1E,
              (0x05B8430EB7A99E24877CE69BAF3DC580E309633D6B385F83EE1C3EC3591F1A53,
               0x93C06E805DDCEB2FDE50930DD7CFEBB987C6FF9666AF164EB5184D8E6662ED6A))
    pwe = looping(password, own, peer)
    ours = commit(pwe, rand, mask)
    show("looping: element", *pwe)
    show("looping: commit", ours[0], *ours[1])
    show("looping: kck pmk pmkid", *keys(pwe, rand, ours, theirs))
    show("h2e: PT", *password_token(b"byteme", password))
    pwe = hash_to_element(b"byteme", password, own, peer)
    ours, theirs = commit(pwe, rand, mask), commit(pwe, mask, rand + 1)
    show("h2e: element", *pwe)
    show("h2e: their commit", theirs[0], *theirs[1])
    kck, pmk, pmkid = keys(pwe, rand, ours, theirs)
    assert (kck, pmk, pmkid) == keys(pwe, mask, theirs, ours)
    show("h2e: kck pmk pmkid", kck, pmk, pmkid)
    station, point = mul(rand, G), mul(mask, G)
    shared = mul(rand, point)
    prk = mac(octets(station[0]) + octets(point[0]) + b"\x13\0", octets(shared[0]))
    show("owe: station, access point, pmk", station[0], point[0], hkdf_expand(prk, b"OWE Key Generation", 32))


if __name__ == "__main__":
    main()
