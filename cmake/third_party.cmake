# Third-party code: compiled from third_party/ without our warnings, its headers as system headers.

set(LWIP ${CMAKE_SOURCE_DIR}/third_party/lwip)
set(MBEDTLS ${CMAKE_SOURCE_DIR}/third_party/mbedtls)
foreach(tree ${LWIP}/src/core/init.c ${MBEDTLS}/library/aes.c)
    if(NOT EXISTS ${tree})
        message(FATAL_ERROR "${tree} is missing: run tools/fetch_deps.py (or simply make)")
    endif()
endforeach()

function(third_party_library name)
    add_library(${name} STATIC ${ARGN})
    set_target_properties(${name} PROPERTIES C_EXTENSIONS ON)
    target_compile_options(${name} PRIVATE -w "SHELL:-iquote ${CMAKE_SOURCE_DIR}")
    if(ATTACHE_SANITIZE OR ATTACHE_FUZZ)
        # Mbed TLS compares the parts of an empty name by memcmp(NULL, NULL, 0).
        target_compile_options(${name} PRIVATE -fno-sanitize=nonnull-attribute)
    endif()
    if(ATTACHE_FUZZ)
        # What is fuzzed is our code: no coverage feedback from libraries that have their own fuzzers.
        target_compile_options(${name} PRIVATE -fno-sanitize=fuzzer-no-link)
    endif()
endfunction()

# lwIP.  net/lwip_port holds lwipopts.h and arch/cc.h; until they exist there is nothing to build it with.
file(GLOB lwip_sources
    ${LWIP}/src/core/*.c ${LWIP}/src/core/ipv4/*.c ${LWIP}/src/core/ipv6/*.c)
list(APPEND lwip_sources ${LWIP}/src/netif/ethernet.c)
file(GLOB lwip_port CONFIGURE_DEPENDS net/lwip_port/lwipopts.h)
if(lwip_port)
    third_party_library(lwip ${lwip_sources})
    target_include_directories(lwip SYSTEM PUBLIC ${LWIP}/src/include)
    # Before lwIP's own: its src/include has no lwipopts.h or arch/, ours must be the only ones.
    target_include_directories(lwip PUBLIC ${CMAKE_SOURCE_DIR}/net/lwip_port)
    target_link_libraries(lwip PUBLIC at_current)
else()
    add_library(lwip INTERFACE)
endif()

# Mbed TLS, with our configuration instead of its own.
file(GLOB mbedtls_all ${MBEDTLS}/library/*.c)
set(tls_pattern "/library/(debug|mps_|net_sockets|ssl_)")
set(x509_pattern "/library/(pkcs7|x509)")
set(mbedcrypto_sources ${mbedtls_all})
list(FILTER mbedcrypto_sources EXCLUDE REGEX "${tls_pattern}|${x509_pattern}")
set(mbedtls_sources ${mbedtls_all})
list(FILTER mbedtls_sources INCLUDE REGEX "${tls_pattern}|${x509_pattern}")
third_party_library(mbedcrypto ${mbedcrypto_sources})
third_party_library(mbedtls ${mbedtls_sources})
target_include_directories(mbedcrypto SYSTEM PUBLIC ${MBEDTLS}/include)
target_compile_definitions(mbedcrypto PUBLIC MBEDTLS_CONFIG_FILE="crypto/mbedtls_config.h")
target_link_libraries(mbedtls PUBLIC mbedcrypto)
file(GLOB everest ${MBEDTLS}/3rdparty/everest/include)
target_include_directories(mbedcrypto PRIVATE ${everest} ${MBEDTLS}/3rdparty/p256-m)

if(ATTACHE_RV32)
    return()
endif()

# The distribution's libraries, for the air's world files and the Linux port.
find_package(PkgConfig REQUIRED)
add_library(host_libraries INTERFACE)
foreach(module slirp libcjson libedit)
    pkg_check_modules(${module} REQUIRED IMPORTED_TARGET ${module})
endforeach()
target_link_libraries(host_libraries INTERFACE
    PkgConfig::libcjson ${CMAKE_DL_LIBS})
# Only their headers: ports/linux/console_edit.c and slirp.c load them when they are needed.
target_include_directories(host_libraries SYSTEM INTERFACE
    ${libedit_INCLUDE_DIRS} ${slirp_INCLUDE_DIRS})
