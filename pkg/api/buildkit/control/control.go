// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"log"
	"net"
	"net/http"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/api/buildkit/session"
	"coracle/pkg/dockerfile"
	"coracle/pkg/image"
	"coracle/pkg/oci/platform"
	"coracle/pkg/oci/registry"
	"coracle/pkg/state"
)

// Builder answers BuildKit's clients. It is safe for concurrent use.
type Builder struct {
	Dirs     state.Dirs
	Version  string // this program's
	Access   registry.Access
	Log      *log.Logger
	Sessions *session.Sessions
	Images   *image.Store
	// Working is told when a call begins that does something, and returns who is told of
	// its end. Nil: nobody is told.
	Working func() (done func())
}

// Serve answers the calls that come over a connection, until its client leaves or the
// context ends.
func (b *Builder) Serve(ctx context.Context, conn net.Conn) {
	c := b.newCalls()
	defer c.end(ctx)
	methods := c.methods()
	for name, do := range methods {
		// A session, and who waits for what is said of a build, only are there.
		if b.Working != nil && name != control+"Session" && name != control+"Status" {
			methods[name] = func(ctx context.Context, s *grpc.Stream) error {
				defer b.Working()()
				return do(ctx, s)
			}
		}
	}
	grpc.Serve(ctx, conn, methods, b.Log)
}

func (b *Builder) newCalls() *calls {
	return &calls{Builder: b, jobs: map[string]*job{}, changed: make(chan struct{}), passing: passing{images: b.Images}}
}

func (c *calls) end(ctx context.Context) {
	if err := c.passing.remove(ctx); err != nil {
		c.Log.Printf("remove images that builds have passed on: %v", err)
	}
}

// ServeSession has a session, as its headers describe it.
func (b *Builder) ServeSession(ctx context.Context, conn net.Conn, h http.Header) error {
	return b.Sessions.Serve(ctx, conn, h)
}

// calls are those of one connection.
type calls struct {
	*Builder
	mu      sync.Mutex
	jobs    map[string]*job // by the names that the client gives them
	changed chan struct{}   // closed at the next change
	passing passing
}

// Names of services.
const (
	control = "/moby.buildkit.v1.Control/"
	gateway = "/moby.buildkit.v1.frontend.LLBBridge/"
	health  = "/grpc.health.v1.Health/"
)

// methods are what is answered. Of the history of builds there is none, as with
// daemons before it: clients ask for it, hear that it is unknown and go without.
func (c *calls) methods() map[string]grpc.Method {
	return map[string]grpc.Method{
		control + "Info":        grpc.Unary(c.info),
		control + "ListWorkers": grpc.Unary(c.listWorkers),
		control + "DiskUsage":   grpc.Unary(c.diskUsage),
		control + "Solve":       grpc.Unary(c.solve),
		control + "Status":      c.status,
		control + "Session":     c.session,
		control + "Prune":       c.prune,
		gateway + "Ping":        grpc.Unary(c.ping),
		gateway + "Solve":       grpc.Unary(c.build),
		gateway + "Evaluate":    grpc.Unary(c.nothing),
		gateway + "Warn":        grpc.Unary(c.nothing),
		gateway + "Return":      grpc.Unary(c.giveBack),
		health + "Check":        grpc.Unary(c.check),
	}
}

func (c *calls) nothing(context.Context, *grpc.Stream, []byte) ([]byte, error) { return nil, nil }

// check says that all is well, grpc.health.v1.HealthCheckResponse.
func (c *calls) check(context.Context, *grpc.Stream, []byte) ([]byte, error) {
	return pb.Encode(func(m *pb.Message) { m.Number(1, 1) }), nil
}

func (c *calls) version(m *pb.Message) {
	m.Text(1, "coracle")
	m.Text(2, c.Version)
}

func (c *calls) info(context.Context, *grpc.Stream, []byte) ([]byte, error) {
	return pb.Encode(func(m *pb.Message) { m.Message(1, c.version) }), nil
}

// gatewayAddress stands for the host in what clients make of NAME:host-gateway: they
// put an address in its place that the worker tells them, and a RUN has its own. It is
// the dummy address of RFC 7600, which nobody has.
const gatewayAddress = "192.0.0.8"

// listWorkers tells of the one that there is. It says nothing of a snapshotter: clients
// take one that does for a store of manifests with several platforms.
func (c *calls) listWorkers(context.Context, *grpc.Stream, []byte) ([]byte, error) {
	return pb.Encode(func(m *pb.Message) { m.Message(1, c.worker) }), nil
}

func (c *calls) worker(m *pb.Message) {
	m.Text(1, "coracle")
	m.Table(2, map[string]string{"org.mobyproject.buildkit.worker.moby.host-gateway-ip": gatewayAddress})
	m.Message(3, func(m *pb.Message) { writePlatform(m, platform.Host()) })
	m.Message(5, c.version)
}

// writePlatform writes a pb.Platform of BuildKit's ops.proto.
func writePlatform(m *pb.Message, p ocispec.Platform) {
	m.Text(1, p.Architecture)
	m.Text(2, p.OS)
	m.Text(3, p.Variant)
}

// diskUsage tells of the build cache.
func (c *calls) diskUsage(ctx context.Context, _ *grpc.Stream, _ []byte) ([]byte, error) {
	list, err := dockerfile.CacheUse(ctx, c.Dirs)
	if err != nil {
		return nil, err
	}
	return pb.Encode(func(m *pb.Message) {
		for _, r := range list {
			m.Message(1, func(m *pb.Message) { writeUsage(m, r) })
		}
	}), nil
}

// Capabilities that clients ask for before they use what they name: BuildKit's
// frontend/gateway/pb/caps.go and solver/pb/caps.go.
var (
	gatewayCaps = []string{"solve.base", "return", "returnmap", "proto.refarray", "reference.output", "frontend.inputs", "frontend.caps", "gateway.evaluate", "gateway.solve.evaluate", "gateway.warnings"}
	opCaps      = []string{"source.image", "source.git", "source.git.keepgitdir", "source.git.fullurl", "source.http", "source.local", "source.local.unique", "source.local.sessionid", "source.local.followpaths", "source.local.excludepatterns", "exporter.multiple", "constraints", "platform", "meta.description"}
)

// ping tells what a job can be asked.
func (c *calls) ping(ctx context.Context, s *grpc.Stream, _ []byte) ([]byte, error) {
	if _, err := c.jobOf(ctx, s); err != nil {
		return nil, err
	}
	return pb.Encode(func(m *pb.Message) {
		for field, list := range [][]string{gatewayCaps, opCaps} {
			for _, id := range list {
				m.Message(field+1, func(m *pb.Message) {
					m.Text(1, id)
					m.Flag(2, true)
				})
			}
		}
		m.Message(3, c.worker)
	}), nil
}
