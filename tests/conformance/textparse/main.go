// Command textparse reads expected files with Prometheus' own parsers and
// checks that each body parses and each exemplar reads back as its line has it.
//
//	textparse CASES_DIR
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: textparse CASES_DIR")
		os.Exit(2)
	}
	folders, err := filepath.Glob(filepath.Join(os.Args[1], "*", "ops.json"))
	if err != nil || len(folders) == 0 {
		fmt.Fprintln(os.Stderr, "textparse: no cases in", os.Args[1])
		os.Exit(2)
	}
	passed, failed, exemplars := 0, 0, 0
	for _, file := range folders {
		n, err := checkCase(filepath.Dir(file))
		exemplars += n
		if err != nil {
			failed++
			fmt.Printf("textparse: %s: %v\n", filepath.Base(filepath.Dir(file)), err)
			continue
		}
		passed++
	}
	fmt.Printf("textparse: %d cases passed, %d failed, %d exemplars read back\n", passed, failed, exemplars)
	if failed > 0 || exemplars == 0 {
		os.Exit(1)
	}
}

func checkCase(folder string) (int, error) {
	om, err := os.ReadFile(filepath.Join(folder, "expected.om.txt"))
	if err != nil {
		return 0, err
	}
	total := 0
	for _, body := range split(om, "# EOF\n", true) {
		parser := textparse.NewOpenMetricsParser(body, labels.NewSymbolTable())
		n, err := checkBody(parser, body)
		if err != nil {
			return total, fmt.Errorf("expected.om.txt: %w", err)
		}
		total += n
	}
	text, err := os.ReadFile(filepath.Join(folder, "expected.prom.txt"))
	if err != nil {
		return total, err
	}
	for _, body := range split(text, "# ---\n", false) {
		parser := textparse.NewPromParser(body, labels.NewSymbolTable(), false)
		if n, err := checkBody(parser, body); err != nil || n != 0 {
			return total, fmt.Errorf("expected.prom.txt: %d exemplars, %w", n, err)
		}
	}
	return total, nil
}

// split cuts a stream behind each line equal to last.
func split(stream []byte, last string, keep bool) [][]byte {
	var all [][]byte
	var body []byte
	for _, line := range bytes.SplitAfter(stream, []byte("\n")) {
		if string(line) != last {
			body = append(body, line...)
			continue
		}
		if keep {
			body = append(body, line...)
		}
		all, body = append(all, body), nil
	}
	return all
}

// checkBody parses a body, and compares each exemplar with the text of its line.
func checkBody(parser textparse.Parser, body []byte) (int, error) {
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
		if line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	series, exemplars := 0, 0
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return exemplars, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		if series >= len(lines) {
			return exemplars, errors.New("more series than lines")
		}
		line := lines[series]
		series++
		name, _, _ := parser.Series()
		if !strings.HasPrefix(line, string(name)) {
			return exemplars, fmt.Errorf("series %q is not in line %q", name, line)
		}
		var e exemplar.Exemplar
		if !parser.Exemplar(&e) {
			if strings.Contains(line[len(name):], " # {") {
				return exemplars, fmt.Errorf("no exemplar read from %q", line)
			}
			continue
		}
		exemplars++
		if err := compare(e, line[len(name):]); err != nil {
			return exemplars, err
		}
	}
	if series != len(lines) {
		return exemplars, fmt.Errorf("%d series in %d lines", series, len(lines))
	}
	return exemplars, nil
}

// compare holds an exemplar that was read against the text behind the series.
// The parser sorts labels, so each must occur and their lengths must add up;
// quotes and backslashes do not occur in values.
func compare(e exemplar.Exemplar, text string) error {
	_, shown, found := strings.Cut(text, " # {")
	inner, rest, closed := strings.Cut(shown, "\"} ")
	if !found || !closed {
		return fmt.Errorf("exemplar %v read from %q", e, text)
	}
	inner += "\""
	length := -1
	e.Labels.Range(func(l labels.Label) {
		pair := l.Name + "=\"" + l.Value + "\""
		length += len(pair) + 1
		if !strings.Contains(","+inner+",", ","+pair+",") {
			length = math.MinInt
		}
	})
	if length != len(inner) {
		return fmt.Errorf("labels %v read from %q", e.Labels, text)
	}
	value, stamp, _ := strings.Cut(rest, " ")
	number, err := strconv.ParseFloat(value, 64)
	if err != nil || number != e.Value {
		return fmt.Errorf("value %v read from %q", e.Value, text)
	}
	if stamp != fmt.Sprintf("%d.%03d", e.Ts/1000, e.Ts%1000) {
		return fmt.Errorf("timestamp %d read from %q", e.Ts, text)
	}
	return nil
}
