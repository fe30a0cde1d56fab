#!/bin/sh
# Fetches Debian's prometheus package, unpacks it without installing it and
# prints the folder that holds prometheus and promtool. Later calls reuse it.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
out=${SPANPIN_BUILD_DIR:-$(dirname -- "$here")/build}/prometheus-debian
mkdir -p "$out"
out=$(CDPATH= cd -- "$out" && pwd)
bin=$out/root/usr/bin

if [ -x "$bin/prometheus" ] && [ -x "$bin/promtool" ]; then
    echo "$bin"
    exit 0
fi

for tool in apt-get dpkg-deb; do
    if ! command -v "$tool" >/dev/null 2>&1; then
        echo "prometheus-debian: $tool was not found; this needs the Debian package 'prometheus' (2.42 or newer), or run tools/prometheus/build.sh" >&2
        exit 1
    fi
done

cd "$out"
rm -f prometheus_*.deb
# The package lists of a fresh container are empty, so the first attempt may
# fail for no other reason.
if ! apt-get download prometheus >download.log 2>&1; then
    apt-get update >update.log 2>&1 || true
    if ! apt-get download prometheus >download.log 2>&1; then
        echo "prometheus-debian: 'apt-get download prometheus' failed: $(tail -n 1 download.log)" >&2
        exit 1
    fi
fi
rm -rf root.new
dpkg-deb -x prometheus_*.deb root.new
rm -rf root
mv root.new root
rm -f prometheus_*.deb
echo "$bin"
