#!/bin/sh
# Builds the Prometheus server and promtool from their Go module and prints the
# folder that holds them. An unchanged go.sum makes this a no-op, because the
# first build costs minutes of CPU.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=${SPANPIN_BUILD_DIR:-$(dirname -- "$(dirname -- "$here")")/build}/prometheus-3
mkdir -p "$out"
out=$(CDPATH= cd -- "$out" && pwd)

if ! command -v go >/dev/null 2>&1; then
    echo "prometheus: the go command was not found; install Go 1.26 or newer, or use tools/prometheus-debian.sh" >&2
    exit 1
fi

version=$(sed -n 's#^\tgithub.com/prometheus/prometheus v\([0-9.]*\).*#\1#p' "$here/go.mod")
if [ -z "$version" ]; then
    echo "prometheus: go.mod in $here requires no github.com/prometheus/prometheus; run: go get -tool github.com/prometheus/prometheus/cmd/prometheus@VERSION" >&2
    exit 1
fi
# Module version v0.315.0 is release 3.15.0, which is what the server should say
# it is, to us and in the User-Agent of its scrapes.
release=$(printf '%s' "$version" | sed 's#^0\.\([0-9]\)0\{0,1\}\([0-9]*\)\.#\1.\2.#')

want=$(cksum <"$here/go.sum")
if [ -x "$out/prometheus" ] && [ -x "$out/promtool" ] && [ "$(cat "$out/go.sum.cksum" 2>/dev/null)" = "$want" ]; then
    echo "$out"
    exit 0
fi

# remove_all_sd leaves out the cloud service discoveries: the test scrapes fixed
# targets, and without them both the build and its cache are half the size.
cd "$here"
for tool in prometheus promtool; do
    echo "prometheus: building $tool $release (minutes the first time)" >&2
    go build -trimpath -tags remove_all_sd \
        -ldflags "-s -w -X github.com/prometheus/common/version.Version=$release" \
        -o "$out/$tool" "github.com/prometheus/prometheus/cmd/$tool" >&2
done
printf '%s\n' "$want" >"$out/go.sum.cksum"
echo "$out"
