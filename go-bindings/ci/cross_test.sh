#!/bin/sh
# The module on the other platforms it has archives for, as far as this machine
# has the tools: the tests on arm64 under an emulator, and against the musl
# archive. What cannot run is named.
#
# usage: ci/cross_test.sh   (after "cargo xtask archives")
set -eu

cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
skipped=0

skip() {
    skipped=$((skipped + 1))
    echo "SKIP: $1: no $2"
}
pass() {
    passed=$((passed + 1))
    echo "ok: $1"
}

if [ ! -f lib/linux_arm64/libspanpin.a ]; then
    skip arm64 lib/linux_arm64/libspanpin.a
elif ! command -v aarch64-linux-gnu-gcc >/dev/null; then
    skip arm64 aarch64-linux-gnu-gcc
elif ! command -v qemu-aarch64 >/dev/null; then
    skip arm64 qemu-aarch64
else
    CGO_ENABLED=1 GOARCH=arm64 CC=aarch64-linux-gnu-gcc go test -c -o "$work/arm64.test" .
    emulator="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    SPANPIN_TEST_EMULATOR=$emulator $emulator "$work/arm64.test"
    pass "arm64, emulated"
fi

case $(go env GOARCH) in
amd64 | arm64) musl=lib/linux_$(go env GOARCH)_musl/libspanpin.a ;;
*) musl=none ;;
esac
if [ -f "$musl" ]; then
    go vet -tags musl ./...
    go test -count=1 -tags musl .
    pass "musl archive"
else
    skip "musl archive" "$musl"
fi

# The recording code needs no cgo, and so must build where there is no archive.
for os in darwin windows; do
    CGO_ENABLED=0 GOOS=$os go vet ./internal/segment
done
pass "recording code on darwin and windows"
echo "cross: $passed passed, 0 failed, $skipped skipped"
