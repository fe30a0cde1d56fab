// users-go: the users of the shop. GET /users asks an orders service, and takes 0.8 s for every twentieth trace.
//
// What a service needs of spanpin is two metrics, one line each to record, and spanpin.Handler().
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	spanpin "github.com/spanpin/spanpin/go-bindings"
)

const service = "users-go"

var (
	duration = spanpin.MustNewHistogramVec(spanpin.HistogramOpts{
		Name: "shop_request_duration_seconds",
		Help: "Time to answer a request.",
		Unit: "seconds",
	}, []string{"service", "route"}).WithLabelValues(service, "/users")
	// A counter that is there before the first error can be used in rate().
	failures = spanpin.MustNewCounterVec(spanpin.CounterOpts{
		Name: "shop_errors_total",
		Help: "Requests that failed.",
	}, []string{"service"}).WithLabelValues(service)
)

type users struct {
	orders string
	client http.Client
	record *recorder
}

func (u *users) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	// A service with OpenTelemetry has the span in r.Context(), and records with ObserveCtx.
	parent, err := spanpin.ParseTraceparent(r.Header.Get("traceparent"))
	hasParent := err == nil
	span := childOf(parent, hasParent)

	lookUpUser(span)
	status := http.StatusOK
	if err := u.askForOrders(r, span); err != nil {
		status = http.StatusBadGateway
	}

	seconds := time.Since(start).Seconds()
	duration.ObserveTrace(seconds, span)
	if status >= 500 {
		failures.IncTrace(span)
	}
	u.record.request(start, parent, hasParent, span, seconds, status)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, "{\"status\":%d}\n", status)
}

// askForOrders makes the orders service part of the trace by the traceparent it sends.
func (u *users) askForOrders(r *http.Request, span spanpin.TraceContext) error {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, u.orders+"/orders", nil)
	if err != nil {
		return err
	}
	request.Header.Set("traceparent", span.String())
	answer, err := u.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("orders answered %s", answer.Status)
	}
	return nil
}

// lookUpUser stands for a database. The trace id decides, so that a whole run can be checked.
func lookUpUser(span spanpin.TraceContext) {
	n := draw(span)
	pause := time.Duration(1+n/1_000_000%15) * time.Millisecond
	if n%100 < 5 {
		pause = 800 * time.Millisecond
	}
	time.Sleep(pause)
}

func main() {
	host := flag.String("host", "127.0.0.1", "`address` to listen on")
	port := flag.Int("port", 8102, "port to listen on; 0 picks a free one")
	orders := flag.String("orders", "http://127.0.0.1:8104", "`URL` of an orders service")
	logFile := flag.String("log", "/dev/stdout", "`file` that log lines are appended to")
	spanFile := flag.String("spans", "", "`file` that spans are appended to (default none)")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "%s: unknown argument %q\n", service, flag.Arg(0))
		flag.Usage()
		os.Exit(2)
	}
	record, err := newRecorder(*logFile, *spanFile)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(*host, strconv.Itoa(*port)))
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /users", &users{orders: *orders, client: http.Client{Timeout: 30 * time.Second}, record: record})
	http.Handle("GET /metrics", spanpin.Handler())
	fmt.Printf("%s http://%s\n", service, listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
