# Toolchain for the RV32IMC core of the ESP32-C2, with Debian's bare-metal compiler and picolibc.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR riscv32)
set(CMAKE_C_COMPILER riscv64-unknown-elf-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
# -misa-spec=2.2: otherwise rv32imc comes without the csr instructions, and naming them picks a 64-bit library.
set(CMAKE_C_FLAGS_INIT "-march=rv32imc -mabi=ilp32 -misa-spec=2.2 --specs=picolibc.specs -Os -msave-restore \
-DPICOLIBC_INTEGER_PRINTF_SCANF")
# The optimisation level is above: the build type adds debug information only.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-g" CACHE STRING "" FORCE)
