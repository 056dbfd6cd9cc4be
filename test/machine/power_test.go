// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"coracle/internal/testutil"
)

// halting is a registry that sends the beginning of a layer, and tells when it has.
func halting(from string, half chan<- string) http.Handler {
	there := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: from})
	there.ModifyResponse = func(r *http.Response) error {
		if strings.Contains(r.Request.URL.Path, "/blobs/") && r.ContentLength > 1<<16 {
			r.Body = &halfBody{r.Body, r.ContentLength / 2, half}
		}
		return nil
	}
	return there
}

type halfBody struct {
	io.ReadCloser
	left int64
	half chan<- string
}

func (h *halfBody) Read(p []byte) (int, error) {
	if h.left == 0 {
		h.half <- "a pull"
		select {}
	}
	n, err := h.ReadCloser.Read(p[:min(int64(len(p)), h.left)])
	h.left -= int64(n)
	return n, err
}

// The machine loses its power while images are pulled and built, and containers
// run. It is hack/vm that takes it, when it reads that it may.
func testPowerCut(t *testing.T) {
	p := someone(t, full, true)
	p.ok("coracle tag busybox localhost:5000/pulled && coracle push -q localhost:5000/pulled && coracle rmi localhost:5000/pulled")
	half := make(chan string, 10)
	go func() { half <- fmt.Sprint(http.ListenAndServe("localhost:5002", halting("localhost:5000", half))) }()
	p.write("half/Dockerfile", "FROM busybox\nRUN dd if=/dev/zero of=/large bs=1M count=20\nRUN touch /begun; sleep 100000\n")
	p.write("done/Dockerfile", "FROM busybox\nRUN echo done >/file && dd if=/dev/urandom of=/large bs=1M count=5 && sha256sum /large >/sum\n")
	// A store of its own, so that the pull has no layer yet.
	for what, script := range map[string]string{
		"a pull":       "coracle --root ~/other pull localhost:5002/pulled",
		"a build":      "coracle build -t half half",
		"a run --rm":   "coracle run --rm --name gone busybox sh -c 'echo x >/y; exec sleep 100000'",
		"a container":  "coracle run --name left -v kept:/kept busybox sh -c 'echo kept >/kept/file; sync; exec sleep 100000'",
		"an unhealthy": "coracle run -d --name checked --restart always --health-cmd false --health-interval 1s busybox sleep 100000",
	} {
		cmd := exec.Command("su", "-", full, "-c", script)
		if err := cmd.Start(); err != nil {
			t.Fatal(what, err)
		}
	}
	for _, name := range []string{"gone", "left", "checked"} {
		p.runs(name)
	}
	if got := <-half; got != "a pull" {
		t.Fatal(got)
	}
	eventually(t, "the build has begun its last step", func() bool {
		return finish("sh", "-c", "pgrep -f 'sleep 100000' | wc -l").Text() >= "4"
	})
	// What is said to be done is done.
	p.ok("set -e; coracle build -q -t done done; coracle create --name made done true; coracle volume create made; coracle commit left committed")
	testutil.Contains(t, p.ok("coracle ps -a --format '{{.Names}} {{.Status}}'"), "made Created")
	fmt.Println("\nthe power may go now")
	select {}
}

func testAfterPowerCut(t *testing.T) {
	p := person{t, full}
	r := p.login("coracle ps -a --format '{{.Names}} {{.Status}}'")
	testutil.Contains(t, r.Out, "left Exited (", "checked Exited (", "made Created")
	if strings.Contains(r.Out, "Up ") || r.Code != 0 || r.Err != "" {
		t.Errorf("containers: %d %s", r.Code, r.All())
	}
	r = p.login("coracle images --format '{{.Repository}}'; coracle volume ls -q; coracle network ls -q >/dev/null; coracle system df >/dev/null")
	testutil.Contains(t, r.Out, "busybox", "done", "committed", "kept", "made")
	if strings.Contains(r.Out, "half") || r.Code != 0 || r.Err != "" {
		t.Errorf("images and volumes: %d %s", r.Code, r.All())
	}
	for script, want := range map[string]string{
		"coracle run --rm done sh -c 'sha256sum -c /sum; cat /file'": "/large: OK\ndone",
		"coracle start -a made; echo $?":                             "0",
		"coracle run --rm -v kept:/kept committed cat /kept/file":    "kept",
		// The names that were in use, and what was broken off.
		"coracle run --rm --name gone busybox echo again":                                                  "again",
		"coracle start left && coracle exec left cat /kept/file && coracle rm -f left":                     "left\nkept\nleft",
		"coracle --root ~/other pull -q localhost:5000/pulled && coracle --root ~/other images -q | wc -l": "localhost:5000/pulled:latest\n1",
		"sed -i 's/; sleep.*//' half/Dockerfile; coracle build -q -t half half | cut -c1-7":                "sha256:",
	} {
		if r := p.login(script); r.Text() != want {
			t.Errorf("%s: %d %s, want %s", script, r.Code, r.All(), want)
		}
	}
	// Nothing is left that nobody can remove.
	p.ok("coracle rm -f $(coracle ps -aq); coracle system prune -af --volumes")
	if got := p.ok("coracle ps -aq; coracle images -q; coracle volume ls -q"); strings.Contains(got, "half") {
		t.Errorf("after prune: %s", got)
	}
	left := root(t, "find /home/full/.local/share/coracle /home/full/other -size +100k | head")
	if left != "" && !strings.Contains(left, "/home/full/other") {
		t.Errorf("not pruned: %s", left)
	}
}
