// SPDX-License-Identifier: Apache-2.0

package api

import (
	"path/filepath"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

const buildFile = "FROM busybox\nARG WHO=nobody\nRUN echo hello $WHO > /f; cat /f\nCOPY a /a\nLABEL k=v\nCMD [\"cat\", \"/a\"]\n"

// TestDockerImages is a day of images and builds with Docker's own command line.
func TestDockerImages(t *testing.T) {
	docker := client(t, "docker")
	u := newUser(t)
	u.busybox()
	u.write(testutil.File{Name: "b/Dockerfile", Text: buildFile}, testutil.File{Name: "b/a", Text: "content\n"},
		testutil.File{Name: "b/.dockerignore", Text: "secret\n"}, testutil.File{Name: "b/secret", Text: "x"},
		testutil.File{Name: "other/File", Text: "FROM busybox\nRUN exit 7\n"})
	context := filepath.Join(u.home, "b")
	out := u.works(docker, "build", "-t", "one", "-t", "two:2", "--build-arg", "WHO=me", "--label", "x=y", context)
	testutil.Contains(t, out, "hello me", "Step 3/6 : RUN echo hello $WHO > /f; cat /f\n ---> Running in ", "Step 4/6 : COPY a /a\n ---> ", "Step 6/6 : CMD [\"cat\", \"/a\"]\n ---> ", "Successfully built ", "Successfully tagged one:latest", "Successfully tagged two:2")
	if again := u.works(docker, "build", "-q", "--build-arg", "WHO=me", "--label", "x=y", context); strings.TrimSpace(again) != u.ok("image", "inspect", "-f", "{{.Id}}", "one") {
		t.Errorf("-q: %q", again)
	}
	testutil.Contains(t, u.works(docker, "build", "--build-arg", "WHO=me", context), " ---> Using cache")
	for _, verb := range []string{"build", "build -q"} {
		line := append(strings.Fields(verb), "-f", filepath.Join(u.home, "other/File"), context)
		if r := u.with(docker, line...); r.Code != 7 || !strings.Contains(r.All(), "Step 2/2 : RUN exit 7") || !strings.Contains(r.All(), "The command '/bin/sh -c exit 7' returned a non-zero code: 7") {
			t.Errorf("a command fails: %s: %+v", verb, r)
		}
	}
	if out := u.works(docker, "run", "--rm", "one"); out != "content\n" {
		t.Errorf("run: %q", out)
	}
	testutil.Contains(t, u.works(docker, "images"), "one:latest", "two:2", "busybox:latest")
	testutil.Contains(t, u.works(docker, "history", "two:2"), "COPY a /a")
	u.works(docker, "tag", "one", "third:3")
	u.works(docker, "save", "-o", filepath.Join(u.home, "x.tar"), "third:3", "two:2")
	testutil.Contains(t, u.works(docker, "rmi", "one", "third:3", "two:2"), "Untagged: two:2", "Deleted: sha256:")
	testutil.Contains(t, u.works(docker, "load", "-i", filepath.Join(u.home, "x.tar")), "Loaded image: third:3", "Loaded image: two:2")
	u.works(docker, "create", "--name", "maker", "third:3", "touch", "/new")
	u.works(docker, "start", "-a", "maker")
	u.works(docker, "commit", "-m", "why", "-c", "ENV A=b", "maker", "fourth:4")
	if got := u.ok("image", "inspect", "-f", "{{.Comment}} {{.Config.Env}}", "fourth:4"); !strings.HasPrefix(got, "why ") || !strings.Contains(got, "A=b") {
		t.Errorf("commit: %s", got)
	}
	u.works(docker, "rm", "maker")
	testutil.Contains(t, u.works(docker, "image", "prune", "-af"), "untagged: two:2", "Total reclaimed space:")
	testutil.Contains(t, u.works(docker, "builder", "prune", "-af"), "Total reclaimed space:")
	testutil.Contains(t, u.works(docker, "system", "df"), "Images", "Build Cache")
	if r := u.with(docker, "rmi", "nosuch"); r.Code != 1 || !strings.Contains(r.Err, "No such image: nosuch") {
		t.Errorf("%+v", r)
	}
	if r := u.with(docker, "search", "--filter", "stars=many", "127.0.0.1:1/x"); r.Code != 1 || !strings.Contains(r.Err, "invalid filter 'stars=many'") {
		t.Errorf("%+v", r)
	}
}

// TestDockerNetworks is the same of networks and volumes.
func TestDockerNetworks(t *testing.T) {
	docker := client(t, "docker")
	u := newUser(t)
	u.busybox()
	u.works(docker, "network", "create", "--attachable", "--subnet", "10.91.0.0/24", "--aux-address", "router=10.91.0.5", "--label", "a=b", "net")
	if got := u.works(docker, "network", "inspect", "-f", "{{.Attachable}} {{(index .IPAM.Config 0).AuxAddress}} {{.Labels}}", "net"); got != "true map[router:10.91.0.5] map[a:b]\n" {
		t.Errorf("%q", got)
	}
	u.works(docker, "volume", "create", "--label", "a=b", "data")
	u.works(docker, "run", "-d", "--name", "one", "--network", "net", "-v", "data:/data", "busybox", "sh", "-c", "echo kept > /data/f; exec sleep 1000")
	u.works(docker, "run", "-d", "--name", "two", "busybox", "sleep", "1000")
	u.works(docker, "network", "connect", "--alias", "deux", "net", "two")
	if got := u.works(docker, "exec", "one", "ping", "-c", "1", "deux"); !strings.Contains(got, "1 packets received") {
		t.Errorf("%s", got)
	}
	testutil.Contains(t, u.works(docker, "network", "inspect", "net"), `"Name": "one"`, `"Name": "two"`)
	u.works(docker, "network", "disconnect", "net", "two")
	if r := u.with(docker, "network", "disconnect", "net", "two"); r.Code != 1 || !strings.Contains(r.Err, "is not connected to network net") {
		t.Errorf("%+v", r)
	}
	if r := u.with(docker, "network", "rm", "net"); r.Code != 1 || !strings.Contains(r.All(), "network net has active endpoints") {
		t.Errorf("%+v", r)
	}
	if r := u.with(docker, "volume", "rm", "data"); r.Code != 1 || !strings.Contains(r.All(), "volume is in use") {
		t.Errorf("%+v", r)
	}
	u.works(docker, "rm", "-f", "one", "two")
	if got := u.works(docker, "run", "--rm", "-v", "data:/data", "busybox", "cat", "/data/f"); got != "kept\n" {
		t.Errorf("%q", got)
	}
	testutil.Contains(t, u.works(docker, "network", "prune", "-f"), "Deleted Networks:\nnet")
	u.works(docker, "volume", "create", "more")
	testutil.Contains(t, u.works(docker, "volume", "prune", "-af"), "Deleted Volumes:", "data", "more")
	if got := u.works(docker, "volume", "ls", "-q"); got != "" {
		t.Errorf("%q", got)
	}
}
