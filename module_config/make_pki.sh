#!/bin/sh
# Make the test certificates of raw_data anew: an authority of our own that nobody should trust, and what it signs.
# The private key of the authority is thrown away, so a new set always replaces the whole old one.
set -eu
cd "$(dirname "$0")/raw_data"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
DAYS=36500

# Dates far in the past and the future: a module starts in 1970 and may not know better.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $DAYS -sha256 \
    -subj "/O=attache/CN=attache test authority" -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null

issue() { # NAME CERTIFICATE KEY EXTENDED-USAGE
    mkdir -p "$(dirname "$2")" "$(dirname "$3")"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=attache/CN=$1" \
        -keyout "$3" -out "$work/csr" 2>/dev/null
    printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%s\nsubjectAltName=DNS:%s\n' "$4" "$1" > "$work/ext"
    openssl x509 -req -in "$work/csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days $DAYS -sha256 \
        -extfile "$work/ext" -out "$2" 2>/dev/null
}

authority() { # FILE...
    for file; do
        mkdir -p "$(dirname "$file")"
        cp "$work/ca.crt" "$file"
    done
}

issue server.attache.test server_cert/server_cert.crt server_key/server.key serverAuth
issue client0.attache.test client_cert/client_cert_00.crt client_key/client_key_00.key clientAuth
issue client1.attache.test client_cert/client_cert_01.crt client_key/client_key_01.key clientAuth
issue mqtt.attache.test mqtt_cert/mqtt_client.crt mqtt_key/mqtt_client.key clientAuth
issue wpa2.attache.test wpa2_cert/wpa2_client.crt wpa2_key/wpa2_client.key clientAuth
issue https0.attache.test https_cert/https_cert_00.crt https_key/https_key_00.key clientAuth
issue https1.attache.test https_cert/https_cert_01.crt https_key/https_key_01.key clientAuth
issue wss0.attache.test wss_cert/wss_cert_00.crt wss_key/wss_key_00.key clientAuth
issue wss1.attache.test wss_cert/wss_cert_01.crt wss_key/wss_key_01.key clientAuth
authority server_ca/server_ca.crt client_ca/client_ca_00.crt client_ca/client_ca_01.crt mqtt_ca/mqtt_ca.crt \
    wpa2_ca/wpa2_ca.pem https_ca/https_ca_00.crt https_ca/https_ca_01.crt wss_ca/wss_ca_00.crt wss_ca/wss_ca_01.crt
