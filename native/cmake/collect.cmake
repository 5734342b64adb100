# cmake -DFOLDER=… -DGGML_FILES=… -DGGML_FOLDER=… -P collect.cmake: puts ggml's libraries, those named and those that lie in
# GGML_FOLDER, beside libicf.so in FOLDER, and writes files.txt: "SHA-256  name" of every file it has put there, for
# `sha256sum -c`. What an earlier build has put there and this one does not is removed.
cmake_minimum_required(VERSION 3.22)
include("${CMAKE_CURRENT_LIST_DIR}/owned.cmake")
icf_own_folder("${FOLDER}")
icf_owned_files("${FOLDER}" earlier)
if(GGML_FOLDER)
  file(GLOB built "${GGML_FOLDER}/libggml*.so*")
  list(APPEND GGML_FILES ${built})
endif()
set(names libicf.so)
foreach(file IN LISTS GGML_FILES)
  if(IS_SYMLINK "${file}" AND NOT file MATCHES "\\.so\\.[0-9]+$")
    continue() # libggml.so, a name for the linker alone
  endif()
  get_filename_component(name "${file}" NAME)
  if(name MATCHES "\\.so\\.[0-9]+\\.[0-9.]+$")
    continue() # libggml.so.0.27.0 is loaded by the name libggml.so.0
  endif()
  list(APPEND names "${name}")
  file(REAL_PATH "${file}" file)
  set(new "${FOLDER}/.${name}")
  # Renamed into place, because a program may be running on the file that lies there.
  file(COPY_FILE "${file}" "${new}")
  file(RENAME "${new}" "${FOLDER}/${name}")
endforeach()

list(REMOVE_DUPLICATES names)
list(SORT names)
foreach(name IN LISTS earlier)
  if(NOT name IN_LIST names)
    file(REMOVE "${FOLDER}/${name}") # of another ggml
  endif()
endforeach()
set(lines "")
foreach(name IN LISTS names)
  file(SHA256 "${FOLDER}/${name}" sum)
  string(APPEND lines "${sum}  ${name}\n")
endforeach()
file(WRITE "${FOLDER}/files.txt" "${lines}")
