// Module protobuf stands in for the one of this name; see proto/doc.go.
module google.golang.org/protobuf

go 1.26.8
