// Module reference stands in for the one of this name; see reference.go.
module github.com/distribution/reference

go 1.26.8

require github.com/opencontainers/go-digest v1.0.0
