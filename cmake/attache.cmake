# How our own code is compiled: one set of warnings, includes relative to the repository root.

add_library(attache_flags INTERFACE)
target_compile_options(attache_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    $<$<BOOL:${ATTACHE_WERROR}>:-Werror>
    # Only for "..." includes: our net/ must never be found by <net/if.h>.
    "SHELL:-iquote ${CMAKE_SOURCE_DIR}")
target_include_directories(attache_flags INTERFACE ${CMAKE_SOURCE_DIR}/include)

set(ATTACHE_LIBRARIES "" CACHE INTERNAL "every library made of our own code")

# attache_library(NAME SOURCE...): the static library at_NAME; an empty interface while there is no source yet.
function(attache_library name)
    set(sources)
    foreach(source ${ARGN})
        # A glob, not EXISTS: a file that appears later makes the build configure itself again.
        file(GLOB found CONFIGURE_DEPENDS ${source})
        list(APPEND sources ${found})
    endforeach()
    if(sources)
        add_library(at_${name} STATIC ${sources})
        target_link_libraries(at_${name} PRIVATE attache_flags)
        set_property(TARGET at_${name} PROPERTY ATTACHE_LINKAGE PUBLIC)
    else()
        add_library(at_${name} INTERFACE)
        set_property(TARGET at_${name} PROPERTY ATTACHE_LINKAGE INTERFACE)
    endif()
    set(ATTACHE_LIBRARIES ${ATTACHE_LIBRARIES} at_${name} CACHE INTERNAL "")
endfunction()

# attache_folder(FOLDER [AS name] [GNU] [ALSO folder...] [EXCEPT file...] [LINKS lib...] [PRIVATE lib...])
# FOLDER/*.c becomes at_FOLDER.  GNU: may use the platform's extensions (ports only).  ALSO: further folders of
# sources.  PRIVATE libraries are seen by this folder only, and needed by whoever links it.
function(attache_folder folder)
    cmake_parse_arguments(A "GNU" "AS" "ALSO;EXCEPT;LINKS;PRIVATE" ${ARGN})
    if(NOT A_AS)
        set(A_AS ${folder})
    endif()
    set(sources)
    foreach(part ${folder} ${A_ALSO})
        file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/${part}/*.c)
        list(APPEND sources ${found})
    endforeach()
    if(A_EXCEPT)
        list(REMOVE_ITEM sources ${A_EXCEPT})
    endif()
    attache_library(${A_AS} ${sources})
    get_property(linkage TARGET at_${A_AS} PROPERTY ATTACHE_LINKAGE)
    target_link_libraries(at_${A_AS} ${linkage} ${A_LINKS})
    if(linkage STREQUAL "PUBLIC")
        target_link_libraries(at_${A_AS} PRIVATE ${A_PRIVATE})
        if(A_GNU)
            set_target_properties(at_${A_AS} PROPERTIES C_EXTENSIONS ON)
            target_compile_definitions(at_${A_AS} PRIVATE _GNU_SOURCE)
        endif()
    endif()
endfunction()

# attache_program(NAME [GNU] [EXTRA] SOURCES file... LINKS lib...): skipped while there are no sources.
# EXTRA: not part of the default build.
function(attache_program name)
    cmake_parse_arguments(A "GNU;EXTRA" "" "SOURCES;LINKS" ${ARGN})
    file(GLOB found CONFIGURE_DEPENDS ${A_SOURCES})
    if(NOT found)
        return()
    endif()
    add_executable(${name} ${found})
    target_link_libraries(${name} PRIVATE attache_flags ${A_LINKS})
    if(A_GNU)
        set_target_properties(${name} PROPERTIES C_EXTENSIONS ON)
        target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    endif()
    if(A_EXTRA)
        set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
    endif()
endfunction()
