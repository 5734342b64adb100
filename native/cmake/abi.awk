# abi.awk icf.h: prints a C11 program that writes every name of the interface to the file it is given, a line each:
#   struct NAME SIZE ALIGNMENT
#   field STRUCT NAME OFFSET SIZE KIND        KIND is that of the elements where the field is an array
#   constant NAME VALUE
#   function NAME
# It reads the plain style of that header alone. What it missed would be missing against the bindings, which jextract read.

{ sub(/\r$/, ""); text = text $0 "\n" }

# Removes comments from `text`.
function strip_comments(    start, length_, plain) {
    while ((start = index(text, "/*")) > 0) {
        plain = plain substr(text, 1, start - 1) " "
        text = substr(text, start + 2)
        length_ = index(text, "*/")
        text = substr(text, length_ + 2)
    }
    text = plain text
}

# The last identifier of a declaration such as "long long shape[4]".
function declared_name(declaration) {
    sub(/[ \t\n]*(\[[^]]*\])?[ \t\n]*$/, "", declaration)
    sub(/.*[^A-Za-z0-9_]/, "", declaration)
    return declaration
}

function write_struct(name, body,    n, i, members, member) {
    printf "    fprintf(out, \"struct %s %%zu %%zu\\n\", sizeof(%s), _Alignof(%s));\n", name, name, name
    n = split(body, members, ";")
    for (i = 1; i <= n; i++) {
        member = declared_name(members[i])
        if (member != "") {
            printf "    FIELD(%s, %s);\n", name, member
        }
    }
}

function write_constants(body,    n, i, constants) {
    n = split(body, constants, ",")
    for (i = 1; i <= n; i++) {
        sub(/=.*/, "", constants[i])
        gsub(/[ \t\n]/, "", constants[i])
        if (constants[i] != "") {
            printf "    CONSTANT(%s);\n", constants[i]
        }
    }
}

END {
    strip_comments()
    print "#include \"icf.h\""
    print "#include <stddef.h>"
    print "#include <stdio.h>"
    print ""
    print "#define KIND(member) _Generic((member), int32_t: \"int\", int32_t *: \"int\", long long: \"long\", long long *: \"long\", \\"
    print "                              float: \"float\", double: \"double\", char *: \"char\", const char *: \"pointer\")"
    print "#define FIELD(type, member) \\"
    print "    fprintf(out, \"field \" #type \" \" #member \" %zu %zu %s\\n\", offsetof(type, member), sizeof(((type *)0)->member), \\"
    print "            KIND(((type *)0)->member))"
    print "#define CONSTANT(name) fprintf(out, \"constant \" #name \" %lld\\n\", (long long)(name))"
    print ""
    print "int main(int argc, char **argv) {"
    print "    FILE *out = argc == 2 ? fopen(argv[1], \"w\") : NULL;"
    print "    if (!out) {"
    print "        return 1;"
    print "    }"

    rest = text
    while (match(rest, /typedef (struct|enum) [a-z_]+ \{[^}]*\}/)) {
        block = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        split(block, words, " ")
        body = block
        sub(/^[^{]*\{/, "", body)
        sub(/\}$/, "", body)
        if (words[2] == "struct") {
            write_struct(words[3], body)
        } else {
            write_constants(body)
        }
    }

    rest = text
    while (match(rest, /#define ICF_[A-Z_]+ [0-9]+/)) {
        split(substr(rest, RSTART, RLENGTH), words, " ")
        printf "    CONSTANT(%s);\n", words[2]
        rest = substr(rest, RSTART + RLENGTH)
    }

    rest = text
    while (match(rest, /\nICF_API [^;(]*\(/)) {
        block = substr(rest, RSTART, RLENGTH - 1)
        rest = substr(rest, RSTART + RLENGTH)
        printf "    fprintf(out, \"function %s\\n\");\n", declared_name(block)
    }

    print "    return fclose(out) == 0 ? 0 : 1;"
    print "}"
}
