// SPDX-License-Identifier: Apache-2.0

package control

import (
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/docker/go-units"

	"coracle/pkg/api/buildkit/grpc"
	"coracle/pkg/api/buildkit/pb"
	"coracle/pkg/dockerfile"
)

func ask(attrs map[string]string) asked { return asked{frontend: "dockerfile.v0", attrs: attrs} }

func TestReadAttrs(t *testing.T) {
	op := pb.Encode(func(m *pb.Message) {
		m.Message(3, func(m *pb.Message) { m.Text(1, imageSource+"sha256:0123") })
	})
	a := ask(map[string]string{
		"filename": "sub/My.Dockerfile", "target": "t", "platform": "linux/arm64", "force-network-mode": "none", "image-resolve-mode": "pull",
		"build-arg:A": "1", "build-arg:B": "", "label:l": "v=w", "no-cache": "a,b", "shm-size": "1024", "ulimit": "nofile=1:2,nproc=3",
		"add-hosts": "h=1.2.3.4,six=fe80::1,gw=192.0.0.8", "context:Img": "docker-image://busybox", "context:dir": "local:dir-name", "context:other": "input:key of it",
		"local-sessionid:context": "s", "attest:sbom": "", "attest:provenance": "mode=min,inline-only=true", "cgroup-parent": "x", "unknown": "is passed over",
	})
	a.inputs = map[string][]byte{"key of it": op}
	r, src, warnings, err := readAttrs(a, []string{"network.host", "fs.read=/"})
	if err != nil {
		t.Fatal(err)
	}
	want := dockerfile.Request{
		Dockerfile: "sub/My.Dockerfile", Target: "t", Platform: "linux/arm64", NetworkMode: "none", PullParent: true,
		BuildArgs: map[string]string{"A": "1", "B": ""}, Labels: map[string]string{"l": "v=w"}, NoCacheFilter: []string{"a", "b"}, ShmSize: 1024,
		Ulimits:    []units.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}, {Name: "nproc", Soft: 3, Hard: 3}},
		ExtraHosts: []string{"h:1.2.3.4", "six:fe80::1", "gw:host-gateway"},
		Contexts:   map[string]dockerfile.Context{"img": {Image: "busybox"}, "dir": {Sent: "dir-name"}, "other": {Image: "sha256:0123"}},
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("is\n%+v, not\n%+v", r, want)
	}
	if (src != source{file: "sub/My.Dockerfile", dir: "dockerfile", context: "context"}) {
		t.Errorf("source is %+v", src)
	}
	if len(warnings) != 2 || !strings.HasPrefix(warnings[0], "attest:sbom ") || !strings.HasPrefix(warnings[1], "cgroup-parent ") {
		t.Errorf("warnings are %q", warnings)
	}
}

func TestReadAttrsAlike(t *testing.T) {
	r, src, _, err := readAttrs(ask(map[string]string{"no-cache": "", "context": "http://buildkit-session/abc"}), nil)
	if err != nil || !r.NoCache || r.NoCacheFilter != nil || src.file != "Dockerfile" || src.upload.Path != "/abc" {
		t.Errorf("%+v %+v, %v", r, src, err)
	}
	if _, _, _, err := readAttrs(asked{frontend: "gateway.v0", attrs: map[string]string{"source": "docker/dockerfile:1"}}, nil); err != nil {
		t.Errorf("Docker's own frontend: %v", err)
	}
}

func TestRefusedAttrs(t *testing.T) {
	for name, c := range map[string]struct {
		asked
		entitlement, want string
	}{
		"frontend":      {asked{frontend: "x.v0"}, "", "frontend x.v0 is not supported"},
		"gateway":       {asked{frontend: "gateway.v0", attrs: map[string]string{"source": "example.com/docker/dockerfile"}}, "", "frontend example.com/docker/dockerfile is not supported"},
		"call":          {ask(map[string]string{"requestid": "frontend.lint"}), "", "unsupported request frontend.lint"},
		"entitlement":   {ask(nil), "security.insecure", "security.insecure is not allowed"},
		"git":           {ask(map[string]string{"context": "https://example.com/r.git"}), "", "remote contexts are not supported: clone \"https://example.com/r.git\""},
		"file outside":  {ask(map[string]string{"filename": "../x"}), "", "invalid filename"},
		"absolute file": {ask(map[string]string{"filename": "/x"}), "", "invalid filename"},
		"platforms":     {ask(map[string]string{"platform": "linux/amd64,linux/arm64"}), "", "one platform"},
		"platform":      {ask(map[string]string{"platform": "a/b/c/d"}), "", "platform"},
		"shm":           {ask(map[string]string{"shm-size": "-1"}), "", "failed to parse shm size"},
		"hosts":         {ask(map[string]string{"add-hosts": "a"}), "", "add-host"},
		"csv":           {ask(map[string]string{"add-hosts": "\"a"}), "", "failed to parse additional hosts"},
		"ulimit":        {ask(map[string]string{"ulimit": "nofile"}), "", "failed to parse ulimit"},
		"network":       {ask(map[string]string{"force-network-mode": "mine"}), "", "network mode"},
		"context":       {ask(map[string]string{"context:x": "git://example.com/r"}), "", "context x: only directories"},
		"input":         {ask(map[string]string{"context:x": "input:none"}), "", "context x: only directories"},
		"image":         {ask(map[string]string{"context:x": "docker-image://A B"}), "", "context x"},
	} {
		var list []string
		if c.entitlement != "" {
			list = []string{c.entitlement}
		}
		_, _, _, err := readAttrs(c.asked, list)
		if st := grpc.StatusOf(err); st.Code != grpc.InvalidArgument && st.Code != grpc.Unimplemented || !strings.Contains(st.Message, c.want) {
			t.Errorf("%s: %v %q", name, st.Code, st.Message)
		}
	}
}

func TestReadSolve(t *testing.T) {
	attrs := map[string]string{"name": "x", "push": "true"}
	r, err := readSolve(pb.Encode(func(m *pb.Message) {
		m.Text(1, "ref")
		m.Text(3, "old") // which does not count beside the new
		m.Text(5, "session")
		m.Text(6, "dockerfile.v0")
		m.Table(7, map[string]string{"target": "t"})
		m.Text(9, "network.host")
		m.Message(13, func(m *pb.Message) { m.Text(1, "moby"); m.Table(2, attrs) })
		m.Message(13, func(m *pb.Message) { m.Text(1, "local") })
	}))
	if err != nil || r.ref != "ref" || r.session != "session" || r.frontend != "dockerfile.v0" || r.attrs["target"] != "t" || len(r.entitlements) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if len(r.exports) != 2 || r.exports[0].kind != "moby" || !maps.Equal(r.exports[0].attrs, attrs) || r.exports[1].kind != "local" {
		t.Errorf("exports are %+v", r.exports)
	}
	r, err = readSolve(pb.Encode(func(m *pb.Message) { m.Text(3, "moby"); m.Table(4, attrs) }))
	if err != nil || len(r.exports) != 1 || r.exports[0].kind != "moby" || !maps.Equal(r.exports[0].attrs, attrs) {
		t.Errorf("of an old client: %+v, %v", r, err)
	}
}

// TestDefinition: what one build gives is found by another.
func TestDefinition(t *testing.T) {
	req := pb.Encode(func(m *pb.Message) {
		m.Text(2, "dockerfile.v0")
		m.Message(13, func(m *pb.Message) {
			m.Text(1, "base")
			m.Message(2, func(m *pb.Message) { writeDefinition(m, "sha256:abc") })
		})
	})
	r, err := readGatewaySolve(req)
	if err != nil {
		t.Fatal(err)
	}
	if image, ok := readImage(r.inputs["base"]); !ok || image != "sha256:abc" {
		t.Errorf("%q, %v", image, ok)
	}
	git := pb.Encode(func(m *pb.Message) { m.Message(3, func(m *pb.Message) { m.Text(1, "git://example.com/r") }) })
	if err := refuseDefinition(git); !strings.Contains(err.Error(), "clone \"git://example.com/r\"") {
		t.Errorf("a repository: %v", err)
	}
	if err := refuseDefinition([]byte{255}); !strings.Contains(err.Error(), "LLB") {
		t.Errorf("nonsense: %v", err)
	}
}

func FuzzRequests(f *testing.F) {
	f.Add(pb.Encode(func(m *pb.Message) { m.Text(1, "x"); m.Message(13, func(m *pb.Message) { m.Text(1, "y") }) }))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if r, err := readSolve(b); err == nil {
			_, _, _, _ = readAttrs(r.asked, r.entitlements)
		}
		if r, err := readGatewaySolve(b); err == nil {
			_, _, _, _ = readAttrs(r, nil)
		}
		if r, err := readPrune(b); err == nil {
			_ = r.list()
		}
	})
}

func TestReadPrune(t *testing.T) {
	r, err := readPrune(pb.Encode(func(m *pb.Message) {
		m.Text(1, "type==regular,shared,id~=ab")
		m.Number(3, 3_600_000_000_000)
		m.Number(4, 9)
	}))
	if want := []string{"type=regular", "shared=", "id=ab", "until=1h0m0s"}; err != nil || !reflect.DeepEqual(r.list(), want) || r.keep != 9 {
		t.Errorf("%q %+v, %v", r.list(), r, err)
	}
	if _, err := readPrune(pb.Encode(func(m *pb.Message) { m.Number(5, 1) })); err == nil {
		t.Error("a bound that is not kept is accepted")
	}
}

func TestExcerpt(t *testing.T) {
	d, ok := excerpt("Dockerfile:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN b | c\n   3 | >>>   d\n--------------------\n")
	// base64 of "FROM a\nRUN b | c\n  d"
	want := `{"info":{"filename":"Dockerfile","data":"RlJPTSBhClJVTiBiIHwgYwogIGQ="},"ranges":[{"start":{"line":2},"end":{"line":3}}]}`
	if !ok || string(d.Value) != want || d.Type != "github.com/moby/buildkit/errdefs.Source+json" {
		t.Errorf("%s %s, %v", d.Type, d.Value, ok)
	}
	if _, ok := excerpt(""); ok {
		t.Error("there is one of nothing")
	}
}
