#!/bin/sh
# po/POTFILES.in has every file with strings for people, and no translation breaks a format string. Prints TAP.
set -u
cd "$1" || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
n=0

# told NAME COMMAND...: a test that what COMMAND prints is nothing, and that it succeeds.
told() {
    n=$((n + 1))
    name=$1
    shift
    if output=$("$@" 2>&1) && [ -z "$output" ]; then
        echo "ok $n /translations/$name"
    else
        echo "not ok $n /translations/$name"
        echo "$output" | sed 's/^/# /'
    fi
}

with_strings() {
    grep -lrE --include='*.c' '[^A-Za-z0-9_]N?C?_ ?\(|ngettext ?\(' src ui-gtk
    grep -lr --include='*.ui' 'translatable="yes"' ui-gtk
    find data -name '*.gschema.xml' -o -name '*.desktop.in' -o -name '*.metainfo.xml.in' -o -name '*.policy'
}

listed() {
    grep -v '^#' po/POTFILES.in | sort >"$scratch/listed"
    with_strings | sort >"$scratch/found"
    diff "$scratch/listed" "$scratch/found"
}

template() {
    xgettext --files-from=po/POTFILES.in --from-code=UTF-8 --add-comments --keyword=_ --keyword=N_ --keyword=C_:1c,2 \
        --flag=g_strdup_printf:1:c-format --flag=g_string_append_printf:2:c-format --output="$scratch/berth.pot"
}

# What begins or ends with what stands between words is a piece that the program puts together: nobody can translate it.
pieces() {
    ! msgcat --no-wrap "$scratch/berth.pot" | grep -E '^msgid(_plural)? "([ ,;:)]|.* "$)'
}

# Whole, and with the same %s and %u as the original.
language() {
    msgfmt --check --output-file=/dev/null "po/$1.po" && msgcmp "po/$1.po" "$scratch/berth.pot"
}

# That msgfmt would see what it is there for.
broken() {
    cat >"$scratch/broken.po" <<'END'
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\n"

#, c-format
msgid "“%s” could not be started"
msgstr "“%d” ließ sich nicht starten"
END
    ! msgfmt --check-format --output-file=/dev/null "$scratch/broken.po" 2>/dev/null
}

told potfiles listed
told template template
told pieces pieces
told broken broken
# Languages are words.
# shellcheck disable=SC2013
for code in $(grep -v '^#' po/LINGUAS); do
    told "$code" language "$code"
done
echo "1..$n"
