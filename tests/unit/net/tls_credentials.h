/* Credentials of tests, made by tests/system/pki/make.py: "module.test" by a CA, 1970 to 2099. */
#ifndef TESTS_UNIT_NET_TLS_CREDENTIALS_H
#define TESTS_UNIT_NET_TLS_CREDENTIALS_H

static const char ca_pem[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBZzCCAQ2gAwIBAgIBATAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9hdHRhY2hl\n"
                             "IHRlc3QgY2EwIBcNNzAwMTAxMDAwMDAwWhgPMjA5OTEyMzEyMzU5NTlaMBoxGDAW\n"
                             "BgNVBAMMD2F0dGFjaGUgdGVzdCBjYTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA\n"
                             "BGbTBLJqWB8lwAS9H6pBDA6UH+j73+7B2evi9Li6VO/mUTBos6Fz5Kdv/vrA7gDw\n"
                             "R+Fun/csNwimLzFeTi/vTqWjQjBAMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0PAQH/\n"
                             "BAQDAgEGMB0GA1UdDgQWBBQRG+hOO6yrU5kaePSwscRmT6U18zAKBggqhkjOPQQD\n"
                             "AgNIADBFAiA6fMa73YNHmh2HlgKIh/yeoEYuYwjIepJxXgS3kUzccAIhAJBjEgj8\n"
                             "my0Tk1g74bnLxEuZ6mJmgC3d5CFvy4YXcjtX\n"
                             "-----END CERTIFICATE-----\n";

static const char cert_pem[] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIBjzCCATagAwIBAgIBEzAKBggqhkjOPQQDAjAaMRgwFgYDVQQDDA9hdHRhY2hl\n"
                               "IHRlc3QgY2EwIBcNNzAwMTAxMDAwMDAwWhgPMjA5OTEyMzEyMzU5NTlaMBYxFDAS\n"
                               "BgNVBAMMC21vZHVsZS50ZXN0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEufZX\n"
                               "W+EB87hAlb082ApP8IeCpcrwg41RjIyKSgpGuHGuakFdV0Z8ZBqglYfbUDKWNEqw\n"
                               "09NlnuHEcToWsp6oGKNvMG0wCQYDVR0TBAIwADALBgNVHQ8EBAMCBaAwEwYDVR0l\n"
                               "BAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFDzrF6GRTpVyGccquiayP7WyC3Q9MB8G\n"
                               "A1UdIwQYMBaAFBEb6E47rKtTmRp49LCxxGZPpTXzMAoGCCqGSM49BAMCA0cAMEQC\n"
                               "IFdqBxAMNNiqRiAUnF8djeVbvrYARsfXLrB6flpioJWjAiALBpvJEe5CwRSO1SZ4\n"
                               "NjLgZDo5CGtYJy/GnDhRAj6XYQ==\n"
                               "-----END CERTIFICATE-----\n";

/* A key of a test, which protects nothing. */
static const char key_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
                              "MHcCAQEEIIE0CE+HQSmQXPgOkRT8JJ7tsgx/zluUWhJqZPF51FUMoAoGCCqGSM49\n"
                              "AwEHoUQDQgAEufZXW+EB87hAlb082ApP8IeCpcrwg41RjIyKSgpGuHGuakFdV0Z8\n"
                              "ZBqglYfbUDKWNEqw09NlnuHEcToWsp6oGA==\n"
                              "-----END EC PRIVATE KEY-----\n";

#endif
