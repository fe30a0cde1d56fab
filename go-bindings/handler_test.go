package spanpin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	r := manual(t)
	_, span := sampledSpan(3)
	MustNewHistogram(HistogramOpts{Registry: r, Name: "h"}).ObserveTrace(1, span)
	r.SetClock(1_700_000_001_000, 1_001_000)
	server := httptest.NewServer(r.Handler())
	defer server.Close()
	get := func(method, accept, encoding string) *http.Response {
		request, err := http.NewRequest(method, server.URL+"/metrics?x=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", accept)
		request.Header.Set("Accept-Encoding", encoding)
		request.Header.Set(timeoutHeader, "10")
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
	read := func(response *http.Response) string {
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	response := get(http.MethodGet, openMetrics, "identity")
	body := read(response)
	if !strings.Contains(body, span.TraceID().String()) || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("no exemplar or end in\n%s", body)
	}
	for header, want := range map[string]string{
		"Content-Type":   "application/openmetrics-text; version=1.0.0; charset=utf-8",
		"Vary":           "Accept, Accept-Encoding",
		"Content-Length": strconv.Itoa(len(body)),
	} {
		if got := response.Header.Get(header); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", header, got, want)
		}
	}
	response = get(http.MethodGet, "text/plain", "gzip")
	if read(response)[:2] != "\x1f\x8b" || response.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the answer is not compressed")
	}
	response = get(http.MethodHead, "", "")
	if read(response) != "" || response.ContentLength <= 0 {
		t.Error("HEAD has a body, or no length")
	}
	response = get(http.MethodPost, "", "")
	if read(response); response.StatusCode != http.StatusMethodNotAllowed || response.Header.Get("Allow") == "" {
		t.Errorf("POST: %s", response.Status)
	}
	_ = r.Close()
	response = get(http.MethodGet, "", "")
	if read(response); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("after Close: %s", response.Status)
	}
}

func TestScraperIdentityLeavesOutThePort(t *testing.T) {
	for address, want := range map[string]string{"10.0.0.1:5555": "10.0.0.1", "[::1]:80": "::1", "@": "@", "": ""} {
		if got := host(address); got != want {
			t.Errorf("host(%q) is %q, want %q", address, got, want)
		}
	}
}
