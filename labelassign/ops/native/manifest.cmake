# Writes library.json beside the library: loading a truncated or damaged file can end the process, so that library.py
# compares size and hash before it loads.
get_filename_component(folder ${LIBRARY} DIRECTORY)
get_filename_component(name ${LIBRARY} NAME)
file(SIZE ${LIBRARY} size)
file(SHA256 ${LIBRARY} hash)
file(WRITE ${folder}/library.json "{\"file\": \"${name}\", \"size\": ${size}, \"sha256\": \"${hash}\"}\n")
