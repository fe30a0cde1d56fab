#!/bin/sh
# A program in a module of its own, built against this one as users build it:
# with a replace directive, vendored, with the race detector, linked statically
# and without Rust in PATH. Without cgo the compiler must say what to do.
#
# usage: ci/consumer_test.sh   (after "cargo xtask archive")
set -eu

module=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A PATH that leads to the Go command and to the system's programs, without those
# of Rust.
go=$(command -v go)
mkdir "$work/bin"
ln -s "$go" "$work/bin/go"
PATH="$work/bin:/usr/bin:/bin"
export PATH
for tool in cargo rustc; do
    if command -v "$tool" >/dev/null; then
        mkdir "$work/system"
        for program in /usr/bin/* /bin/*; do
            name=${program##*/}
            case $name in cargo* | rust*) ;; *) ln -sf "$program" "$work/system/$name" ;; esac
        done
        PATH="$work/bin:$work/system"
        break
    fi
done
for tool in cargo rustc; do
    if command -v "$tool" >/dev/null; then
        echo "FAIL: $tool is still in PATH" >&2
        exit 1
    fi
done

mkdir "$work/consumer"
cd "$work/consumer"
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

func main() {
	h := spanpin.MustNewHistogram(spanpin.HistogramOpts{Name: "consumer_seconds", Unit: "seconds"})
	h.ObserveTraceparent(0.3, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	page, err := spanpin.Default().Scrape(spanpin.ScrapeOptions{Accept: "application/openmetrics-text"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(page.Body)
}
EOF
go mod init example.org/consumer >/dev/null 2>&1
go mod edit -go=1.24 -require=github.com/spanpin/spanpin/go-bindings@v0.0.0 \
    -replace=github.com/spanpin/spanpin/go-bindings="$module"
go mod tidy >tidy.log 2>&1 || { cat tidy.log >&2; exit 1; }

passed=0
check() {
    what=$1
    shift
    if ! "$@" >build.log 2>&1; then
        echo "FAIL: $what: $*" >&2
        cat build.log >&2
        exit 1
    fi
    ./consumer >page.txt
    for wanted in 'consumer_seconds_count 1' 'trace_id="0af7651916cd43dd8448eb211c80319c"'; do
        if ! grep -q "$wanted" page.txt; then
            echo "FAIL: $what: no $wanted in its page:" >&2
            cat page.txt >&2
            exit 1
        fi
    done
    rm -f consumer
    passed=$((passed + 1))
    echo "ok: $what"
}

check "replace directive" go build -o consumer .
check "linked statically" go build -ldflags '-linkmode external -extldflags -static' -o consumer .
check "race detector" go build -race -o consumer .
go mod vendor
check "vendored" go build -mod=vendor -o consumer .

if CGO_ENABLED=0 go build -o consumer . >build.log 2>&1; then
    echo "FAIL: a build without cgo succeeded" >&2
    exit 1
fi
if ! grep -q 'undefined: spanpin_needs_cgo__set_CGO_ENABLED_1_and_install_gcc_or_clang' build.log; then
    echo "FAIL: a build without cgo does not say what to do:" >&2
    cat build.log >&2
    exit 1
fi
passed=$((passed + 1))
echo "ok: without cgo the compiler says what to do"
echo "consumer: $passed passed, 0 failed"
