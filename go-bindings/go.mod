module github.com/spanpin/spanpin/go-bindings

go 1.24

require (
	go.opentelemetry.io/otel v1.37.0
	go.opentelemetry.io/otel/trace v1.37.0
)

