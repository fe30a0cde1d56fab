module github.com/spanpin/spanpin/tests/e2e/services/go

go 1.24

require (
	github.com/spanpin/spanpin/go-bindings v0.0.0
	go.opentelemetry.io/otel v1.37.0
	go.opentelemetry.io/otel/sdk v1.37.0
	go.opentelemetry.io/otel/trace v1.37.0
)

replace github.com/spanpin/spanpin/go-bindings => ../../../../go-bindings
