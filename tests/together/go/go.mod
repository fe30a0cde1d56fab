module spanpin.test/together

go 1.24

require github.com/spanpin/spanpin/go-bindings v0.0.0

require (
	go.opentelemetry.io/otel v1.37.0 // indirect
	go.opentelemetry.io/otel/trace v1.37.0 // indirect
)

replace github.com/spanpin/spanpin/go-bindings => ../../../go-bindings
