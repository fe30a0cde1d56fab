package spanpin

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Handler serves the metrics of Default().
func Handler() http.Handler { return Default().Handler() }

// Handler serves the metrics of the registry, to GET and HEAD. The format follows
// the Accept header, and the answer is compressed if Accept-Encoding allows gzip.
// A scraper is known by its User-Agent, its scrape timeout, path and query, and
// its address without the port.
func (r *Registry) Handler() http.Handler {
	return http.HandlerFunc(r.serve)
}

const timeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

func (r *Registry) serve(w http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet && request.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
		return
	}
	timeout := request.Header.Get(timeoutHeader)
	result, err := r.scrape(ScrapeOptions{
		Accept:         joined(request.Header, "Accept"),
		AcceptEncoding: joined(request.Header, "Accept-Encoding"),
		UserAgent:      request.UserAgent(),
		ScrapeTimeout:  timeout,
		Path:           request.URL.RequestURI(),
		Peer:           host(request.RemoteAddr),
		Deadline:       seconds(timeout),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// The answer lies in the memory of the core until it has been written.
	defer result.Free()
	header := w.Header()
	header.Set("Content-Type", result.ContentType())
	if encoding := result.ContentEncoding(); encoding != "" {
		header.Set("Content-Encoding", encoding)
	}
	header.Set("Vary", "Accept, Accept-Encoding")
	body := result.Body()
	header.Set("Content-Length", strconv.Itoa(len(body)))
	// A scraper that went away is no failure of ours, and there is nobody to tell.
	_, _ = w.Write(body)
}

// joined is the value of a header that may be given in several lines.
func joined(header http.Header, name string) string {
	lines := header.Values(name)
	if len(lines) == 1 {
		return lines[0]
	}
	return strings.Join(lines, ",")
}

// host is the address without its port; what is no such address stays as it is.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// seconds is the duration in a header; 0, which is no limit, if it has none.
func seconds(text string) time.Duration {
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || !(s > 0 && s < float64(1<<31)) {
		return 0
	}
	return time.Duration(s * float64(time.Second))
}
