// SPDX-License-Identifier: Apache-2.0

package control

import (
	"strings"

	"github.com/opencontainers/go-digest"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
)

// imageSource is how BuildKit names an image as a source.
const imageSource = "docker-image://"

// writeDefinition writes an image of the store as a definition (BuildKit's ops.proto):
// an operation that is a source, and one that says that its result is meant.
func writeDefinition(m *pb.Message, id string) {
	source := pb.Encode(func(m *pb.Message) {
		m.Message(3, func(m *pb.Message) { m.Text(1, imageSource+id) })
	})
	last := pb.Encode(func(m *pb.Message) {
		m.Message(1, func(m *pb.Message) { m.Text(1, digest.FromBytes(source).String()) })
	})
	m.Data(1, source)
	m.Data(1, last)
	m.Message(2, func(m *pb.Message) { // what is known of an operation; without any it is no definition
		m.Text(1, digest.FromBytes(source).String())
		m.Message(2, func(*pb.Message) {})
	})
}

// readSourceOp is what an operation names as a source, or empty.
func readSourceOp(op []byte) (name string) {
	err := pb.Read(op, func(f pb.Field) error {
		if f.Number == 3 {
			return readText(f.Data(), 1, &name)
		}
		return nil
	})
	if err != nil {
		return ""
	}
	return name
}

// readImage is the image that an operation is, if it is one.
func readImage(op []byte) (image string, ok bool) {
	image, ok = strings.CutPrefix(readSourceOp(op), imageSource)
	return image, ok && image != ""
}

// refuseDefinition refuses to carry a definition out. Clients make one of a context
// that is elsewhere.
func refuseDefinition(op []byte) error {
	name := readSourceOp(op)
	for _, scheme := range []string{"git://", "http://", "https://"} {
		if strings.HasPrefix(name, scheme) {
			return refuseRemote(name)
		}
	}
	return grpc.Errorf(grpc.Unimplemented, "Dockerfiles are built here; definitions in BuildKit's own language (LLB) are not")
}

func refuseRemote(name string) error {
	return grpc.Errorf(grpc.Unimplemented, "unable to prepare context: remote contexts are not supported: clone %q and build the directory", name)
}
