# Finds ggml: a source tree, an installed package, or the distribution's package in a private folder, in that order.
#
# Defines the target icf_ggml (headers and libraries to link), and of what is needed at run time
#   ICF_GGML_FILES    libraries, and ggml's licence, to copy beside libicf.so
#   ICF_GGML_FOLDER   folder of libraries that are built here
#   ICF_GGML_TARGETS  targets that build them

set(ICF_GGML_VERSION_MIN 0.21)   # the oldest that this compiles with
set(ICF_GGML_VERSION_BELOW 1.0)  # the C interface of ggml may change with its first number
set(ICF_GGML_VERSION_TESTED 0.27)

set(ICF_GGML_SOURCE "" CACHE PATH "ggml source tree to build; empty: use an installed or a packaged ggml")
set(ICF_GGML_VARIANTS "native" CACHE STRING "CPU variants to build from ICF_GGML_SOURCE: native or all")
option(ICF_GGML_FETCH "where no ggml is installed, use the distribution's package in a private folder" ON)
option(ICF_CUDA "build ggml's CUDA backend from ICF_GGML_SOURCE, or take that of an installed ggml" OFF)
set(ICF_CUDA_ARCHITECTURES "" CACHE STRING
  "GPU architectures to build for, as CMAKE_CUDA_ARCHITECTURES has them; empty: those of this machine's GPUs, without one ggml's list")
set(ICF_CUBLAS "" CACHE PATH "folder of cuBLAS, such as an unpacked nvidia-cublas wheel; empty: that of the CUDA toolkit")
set(ICF_GGML_BACKENDS "" CACHE STRING
  "further backends of the ggml that is not built here, as files: put beside the library, they are found when it is loaded")

set(ICF_GGML_FILES "")
set(ICF_GGML_FOLDER "")
set(ICF_GGML_TARGETS "")
add_library(icf_ggml INTERFACE)

set(ggml_advice
  "Install ggml's development package (libggml-dev, ${ICF_GGML_VERSION_MIN} or newer), or point to its source tree: "
  "./icf --ggml-source DIR, or cmake -DICF_GGML_SOURCE=DIR.")
string(CONCAT ggml_advice ${ggml_advice})

function(check_ggml_version version origin)
  if(version VERSION_LESS ICF_GGML_VERSION_MIN OR NOT version VERSION_LESS ICF_GGML_VERSION_BELOW)
    message(FATAL_ERROR "ggml ${version} in ${origin} cannot be used: "
      "${ICF_GGML_VERSION_MIN} or newer, below ${ICF_GGML_VERSION_BELOW}, is needed.")
  endif()
  message(STATUS "ggml ${version}: ${origin}")
endfunction()

# ---- A source tree ------------------------------------------------------------------------------------------------------

# Sets the GGML_… options that stand for what -march=native turns on. ggml's own GGML_NATIVE does not go with loadable
# backends; these do, and the backend then refuses a CPU without them instead of crashing on it.
macro(use_native_instructions)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    execute_process(COMMAND "${CMAKE_C_COMPILER}" -march=native -dM -E -x c /dev/null
      OUTPUT_VARIABLE macros COMMAND_ERROR_IS_FATAL ANY)
    foreach(pair SSE42=SSE4_2 AVX=AVX AVX2=AVX2 BMI2=BMI2 FMA=FMA F16C=F16C AVX_VNNI=AVXVNNI AVX512=AVX512BW
            AVX512_VBMI=AVX512VBMI AVX512_VNNI=AVX512VNNI AVX512_BF16=AVX512BF16 AMX_TILE=AMX_TILE AMX_INT8=AMX_INT8
            AMX_BF16=AMX_BF16)
      string(REPLACE "=" ";" pair "${pair}")
      list(GET pair 0 option)
      list(GET pair 1 instructions)
      if(macros MATCHES "#define __${instructions}__ 1")
        set(GGML_${option} ON)
      else()
        set(GGML_${option} OFF)
      endif()
    endforeach()
  else()
    string(APPEND CMAKE_C_FLAGS " -mcpu=native")
    string(APPEND CMAKE_CXX_FLAGS " -mcpu=native")
  endif()
endmacro()

# The architectures of this machine's GPUs, such as 90-real; empty where none can be asked.
function(find_gpu_architectures out)
  set(${out} "" PARENT_SCOPE)
  find_program(ICF_NVIDIA_SMI nvidia-smi)
  if(ICF_NVIDIA_SMI)
    execute_process(COMMAND "${ICF_NVIDIA_SMI}" --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE capabilities RESULT_VARIABLE result ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" capabilities "${capabilities}")
    if(result EQUAL 0 AND capabilities)
      list(REMOVE_DUPLICATES capabilities)
      list(TRANSFORM capabilities REPLACE "\\." "")
      list(TRANSFORM capabilities APPEND "-real")
      set(${out} "${capabilities}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

# Settles where the compiler, cuBLAS and the driver come from, and says what is missing, before ggml asks for them. The
# library loads cuBLAS from where it is found here.
macro(use_cuda)
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "CUDA needs nvcc, the compiler of the CUDA toolkit: put its folder (/usr/local/cuda/bin) on PATH.")
  endif()
  if(ICF_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES "${ICF_CUDA_ARCHITECTURES}")
  else()
    find_gpu_architectures(CMAKE_CUDA_ARCHITECTURES)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      unset(CMAKE_CUDA_ARCHITECTURES)
    endif()
  endif()

  set(cublas_places)
  if(ICF_CUBLAS)
    file(GLOB_RECURSE cublas_files LIST_DIRECTORIES OFF "${ICF_CUBLAS}/*libcublas.so*" "${ICF_CUBLAS}/*cublas_v2.h")
    list(FILTER cublas_files INCLUDE REGEX "/(libcublas\\.so(\\.[0-9]+)?|cublas_v2\\.h)$")
    foreach(file IN LISTS cublas_files)
      get_filename_component(folder "${file}" DIRECTORY)
      if(file MATCHES "\\.h$")
        set(cublas_include "${folder}")
      else()
        set(CUDA_cublas_LIBRARY "${file}" CACHE FILEPATH "cuBLAS" FORCE)
        file(GLOB cublas_lt "${folder}/libcublasLt.so*")
        list(GET cublas_lt 0 cublas_lt)
        set(CUDA_cublasLt_LIBRARY "${cublas_lt}" CACHE FILEPATH "cuBLAS" FORCE)
        set(cublas_places "${folder}")
      endif()
    endforeach()
    if(NOT cublas_places OR NOT cublas_include)
      message(FATAL_ERROR "There is no cuBLAS in ${ICF_CUBLAS}: it has no libcublas.so with cublas_v2.h.")
    endif()
    set(CMAKE_CUDA_FLAGS "${CMAKE_CUDA_FLAGS} -isystem ${cublas_include}")
    set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS} -isystem ${cublas_include}")
  endif()
  find_package(CUDAToolkit REQUIRED)
  if(NOT TARGET CUDA::cublas)
    message(FATAL_ERROR "CUDA needs cuBLAS, which the toolkit in ${CUDAToolkit_TARGET_DIR} does not have: install it "
      "(libcublas-dev-${CUDAToolkit_VERSION_MAJOR}-${CUDAToolkit_VERSION_MINOR}), or unpack the Python package nvidia-cublas "
      "and name its folder: ./icf --cublas DIR, or cmake -DICF_CUBLAS=DIR.")
  endif()
  # Without a driver to link with, memory is taken in blocks that do not grow. Programs load the driver's own library.
  if(NOT TARGET CUDA::cuda_driver)
    find_library(ICF_CUDA_DRIVER NAMES libcuda.so.1)
    if(ICF_CUDA_DRIVER)
      add_library(CUDA::cuda_driver UNKNOWN IMPORTED GLOBAL)
      set_target_properties(CUDA::cuda_driver PROPERTIES IMPORTED_LOCATION "${ICF_CUDA_DRIVER}")
    else()
      message(STATUS "CUDA: no driver to link with (libcuda.so); built without its virtual memory")
      set(GGML_CUDA_NO_VMM ON)
    endif()
  endif()
endmacro()

function(build_ggml source)
  if(NOT EXISTS "${source}/CMakeLists.txt" OR NOT EXISTS "${source}/include/ggml.h")
    message(FATAL_ERROR "${source} is not a ggml source tree: it has no CMakeLists.txt and include/ggml.h.")
  endif()
  file(STRINGS "${source}/CMakeLists.txt" lines REGEX "^ *set\\(GGML_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+\\)")
  list(TRANSFORM lines REPLACE ".* ([0-9]+)\\).*" "\\1")
  list(JOIN lines "." version)
  check_ggml_version("${version}" "${source}")

  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW) # the variables here override ggml's options
  set(BUILD_SHARED_LIBS ON)
  set(GGML_BACKEND_DL ON)
  set(GGML_NATIVE OFF)
  set(GGML_BUILD_TESTS OFF)
  set(GGML_BUILD_EXAMPLES OFF)
  set(GGML_CUDA ${ICF_CUDA})
  set(GGML_CUDA_NCCL OFF) # one device is used
  set(GGML_CUDA_GRAPHS ${ICF_CUDA}) # a token's thousand small operations are launched as one; off by default outside llama.cpp
  if(ICF_CUDA)
    use_cuda()
  endif()
  if(ICF_GGML_VARIANTS STREQUAL "all")
    set(GGML_CPU_ALL_VARIANTS ON)
  elseif(ICF_GGML_VARIANTS STREQUAL "native")
    use_native_instructions()
  else()
    message(FATAL_ERROR "ICF_GGML_VARIANTS is native or all, not '${ICF_GGML_VARIANTS}'.")
  endif()
  set(folder "${PROJECT_BINARY_DIR}/ggml-lib")
  set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${folder}")
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${folder}") # where ggml puts loadable backends
  set(CMAKE_BUILD_WITH_INSTALL_RPATH ON)
  set(CMAKE_INSTALL_RPATH "$ORIGIN" ${cublas_places})
  set(CMAKE_EXPORT_COMPILE_COMMANDS OFF)
  add_subdirectory("${source}" "${PROJECT_BINARY_DIR}/ggml" EXCLUDE_FROM_ALL)
  target_link_libraries(icf_ggml INTERFACE ggml ggml-base)
  find_file(licence LICENSE PATHS "${source}" "${source}/.." NO_DEFAULT_PATH NO_CACHE REQUIRED) # llama.cpp's ggml/ has none
  configure_file("${licence}" "${PROJECT_BINARY_DIR}/ggml-copyright.txt" COPYONLY)
  set(ICF_GGML_FILES "${PROJECT_BINARY_DIR}/ggml-copyright.txt" PARENT_SCOPE)
  set(ICF_GGML_FOLDER "${folder}" PARENT_SCOPE)
  set(ICF_GGML_TARGETS ggml ggml-base PARENT_SCOPE)
endfunction()

# ---- Libraries that are there -------------------------------------------------------------------------------------------


# Links with the shared libraries in `folder`, by the names they are loaded by.
function(use_libraries include folder)
  target_include_directories(icf_ggml SYSTEM INTERFACE "${include}")
  # The stand-in for a newer C library (fetch-ggml.sh) is named before the libraries that need it.
  file(GLOB standin "${folder}/icfc.so.6")
  if(standin)
    target_link_libraries(icf_ggml INTERFACE -Wl,--push-state,--no-as-needed "${standin}" -Wl,--pop-state)
  endif()
  target_link_libraries(icf_ggml INTERFACE "${folder}/libggml.so.0" "${folder}/libggml-base.so.0")
endfunction()

# Fails unless a program can be linked with icf_ggml and says that it runs on a version in range.
function(check_ggml_runs origin)
  set(program "${PROJECT_BINARY_DIR}/ggml-version.cpp")
  file(WRITE "${program}" "#include \"ggml.h\"\n#include <cstdio>\nint main() { puts(ggml_version()); }\n")
  get_target_property(include icf_ggml INTERFACE_INCLUDE_DIRECTORIES)
  get_target_property(libraries icf_ggml INTERFACE_LINK_LIBRARIES)
  list(GET ICF_GGML_FILES 0 first)
  get_filename_component(folder "${first}" DIRECTORY)
  try_run(result compiled "${PROJECT_BINARY_DIR}/ggml-version" "${program}"
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${include}" "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON" "-DCMAKE_INSTALL_RPATH=${folder}"
    LINK_OPTIONS -Wl,--disable-new-dtags
    LINK_LIBRARIES ${libraries}
    COMPILE_OUTPUT_VARIABLE output
    RUN_OUTPUT_VARIABLE version)
  if(NOT compiled OR NOT result EQUAL 0)
    message(FATAL_ERROR "A program cannot be linked with ggml in ${origin}, or does not run:\n${output}${version}")
  endif()
  string(STRIP "${version}" version)
  check_ggml_version("${version}" "${origin}")
endfunction()

# An installed package, found by CMake. CMAKE_PREFIX_PATH names other places to look in.
macro(find_installed_ggml)
  find_package(ggml ${ICF_GGML_VERSION_MIN}...<${ICF_GGML_VERSION_BELOW} CONFIG QUIET)
  if(ggml_FOUND)
    get_target_property(ggml_library ggml::ggml IMPORTED_LOCATION)
    get_filename_component(ggml_lib_dir "${ggml_library}" DIRECTORY)
    if(EXISTS "${ggml_lib_dir}/libggml.so.0" AND EXISTS "${ggml_lib_dir}/libggml-base.so.0")
      # Backends lie where the package was configured to look for them, with the programs (ggml's default), or, where
      # they are not loadable, with the library.
      file(GLOB ggml_backends
        "${GGML_BACKEND_DIR}/libggml-cpu*.so" "${ggml_lib_dir}/ggml/backends*/libggml-cpu*.so"
        "${GGML_INCLUDE_DIR}/../bin/libggml-cpu*.so" "${ggml_lib_dir}/libggml-cpu.so.0")
      if(ICF_CUDA)
        file(GLOB ggml_cuda
          "${GGML_BACKEND_DIR}/libggml-cuda.so" "${ggml_lib_dir}/ggml/backends*/libggml-cuda.so"
          "${GGML_INCLUDE_DIR}/../bin/libggml-cuda.so" "${ggml_lib_dir}/libggml-cuda.so.0")
        if(NOT ggml_cuda)
          message(FATAL_ERROR "The installed ggml has no CUDA backend. Point to a source tree: ./icf --ggml-source DIR --cuda.")
        endif()
        list(APPEND ggml_backends ${ggml_cuda})
      endif()
      if(ggml_backends)
        set(ICF_GGML_FILES "${ggml_lib_dir}/libggml.so.0" "${ggml_lib_dir}/libggml-base.so.0" ${ggml_backends})
        use_libraries("${GGML_INCLUDE_DIR}" "${ggml_lib_dir}")
        check_ggml_runs("${ggml_lib_dir}")
      endif()
    endif()
  endif()
endmacro()

# The distribution's package in a private folder.
function(fetch_ggml)
  execute_process(
    COMMAND "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/fetch-ggml.sh"
      ${ICF_GGML_VERSION_MIN} ${ICF_GGML_VERSION_BELOW} ${ICF_GGML_VERSION_TESTED} "${PROJECT_BINARY_DIR}/ggml-package"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_VARIABLE messages ERROR_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    string(REGEX REPLACE "^(.*\n)?ggml: " "" reason "${messages}")
    message(FATAL_ERROR "ggml is not installed, and could not be fetched: ${reason}\n${ggml_advice}")
  endif()
  file(GLOB files "${folder}/lib/*")
  set(ICF_GGML_FILES ${files})
  use_libraries("${folder}/include" "${folder}/lib")
  check_ggml_runs("${folder}")
  set(ICF_GGML_FILES ${files} PARENT_SCOPE)
endfunction()

if(ICF_GGML_SOURCE)
  build_ggml("${ICF_GGML_SOURCE}")
else()
  find_installed_ggml()
  if(NOT ICF_GGML_FILES AND ICF_CUDA)
    message(FATAL_ERROR "CUDA needs an installed ggml with its CUDA backend, or a source tree: ./icf --ggml-source DIR --cuda.")
  endif()
  if(NOT ICF_GGML_FILES AND ICF_GGML_FETCH)
    fetch_ggml()
  endif()
  if(NOT ICF_GGML_FILES)
    message(FATAL_ERROR "ggml is not installed. ${ggml_advice}")
  endif()
endif()

foreach(file IN LISTS ICF_GGML_BACKENDS)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "ICF_GGML_BACKENDS: there is no file ${file}.")
  endif()
  list(APPEND ICF_GGML_FILES "${file}")
endforeach()
