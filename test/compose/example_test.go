// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"coracle/internal/testutil"
)

// newExample is the project of examples/compose, with a Redis of this machine, at ports
// that nobody has. It returns the first of three.
func newExample(t *testing.T) (*project, int) {
	t.Helper()
	p := newProject(t, "services: {}\n")
	fixture := func(name string) string {
		path := filepath.Join(os.Getenv("CORACLE_FIXTURES"), name)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("%s could not be made on this machine", name)
		}
		return path
	}
	python, redis, files := fixture("python.tar"), fixture("redis.tar"), fixture("examples/compose")
	p.do("import", python, "python:3-slim").ok()
	p.do("import", redis, "redis:7").ok()
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(p.dir, os.DirFS(files)); err != nil {
		t.Fatal(err)
	}
	port := testutil.FreePorts(t, 3)
	p.change("4000-4009", fmt.Sprintf("%d-%d", port, port+2))
	return p, port
}

// visits is what the example's application says of itself.
type visits struct {
	Host, Name, Error string
	Visits            int
	LastMinute        int `json:"last_minute"`
}

// ask is one request to the application; Error has what went wrong on the way.
func ask(method string, port int, path string) visits {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return visits{Error: err.Error()}
	}
	answer, err := client.Do(request)
	if err != nil {
		return visits{Error: err.Error()}
	}
	defer answer.Body.Close()
	var v visits
	if err := json.NewDecoder(answer.Body).Decode(&v); err != nil {
		return visits{Error: err.Error()}
	}
	return v
}

// counts checks that the counter stands at n, as soon as the application can say it.
func (p *project) counts(port, n int) {
	p.t.Helper()
	var last visits
	testutil.Eventually(p.t, "the application answers", func() bool {
		last = ask("GET", port, "/status")
		return last.Error == ""
	})
	if last.Visits != n {
		p.t.Errorf("%d visits are counted, want %d", last.Visits, n)
	}
}

// TestExample goes through examples/compose: services that wait for each other's health,
// a password that nobody sees, several of one service, a Redis that is killed, and a
// counter that outlives all of them.
func TestExample(t *testing.T) {
	p, port := newExample(t)
	p.compose("up", "-d", "--wait")
	n := 0
	testutil.Eventually(t, "the worker sees the visits", func() bool {
		n++
		v := ask("POST", port, "/visit")
		if v.Error != "" || v.Visits != n || v.Name != "Compose" {
			t.Fatalf("visit %d: %+v", n, v)
		}
		return v.LastMinute > 0
	})

	password, err := os.ReadFile(filepath.Join(p.dir, "redis_password.txt"))
	if err != nil {
		t.Fatal(err)
	}
	word := strings.TrimSpace(string(password))
	p.do("inspect", "visits-web-1", "visits-worker-1", "visits-redis-1").ok().silent(word)
	p.compose("top").silent(word)
	p.compose("exec", "-T", "redis", "redis-cli", "get", "visits").says("NOAUTH")

	p.compose("up", "-d", "--wait", "--scale", "web=3")
	hosts := map[string]bool{}
	for i := range 3 {
		n++
		v := ask("POST", port+i, "/visit")
		if v.Error != "" || v.Visits != n {
			t.Errorf("visit %d: %+v", n, v)
		}
		hosts[v.Host] = true
	}
	if len(hosts) != 3 {
		t.Errorf("three of web answer as %v", hosts)
	}
	p.compose("up", "-d", "--wait")

	pid, err := strconv.Atoi(p.do("inspect", "-f", "{{.State.Pid}}", "visits-redis-1").ok().Text())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, "the Redis that was killed is back", func() bool {
		return p.do("inspect", "-f", "{{.RestartCount}} {{.State.Health.Status}}", "visits-redis-1").Text() == "1 healthy"
	})
	p.counts(port, n)

	t.Run("browser", func(t *testing.T) {
		one := *p
		one.t = t
		n = one.lookAt(port, n)
	})

	p.compose("down")
	p.do("volume", "ls", "-q").ok().says("visits_counted")
	p.compose("up", "-d", "--wait")
	p.counts(port, n)
	p.compose("down", "-v")
	p.do("volume", "ls", "-q").ok().silent("visits_counted")
	p.compose("up", "-d", "--wait")
	p.counts(port, 0)
}

// lookAt opens the page in a browser, presses its button, and takes Redis away and gives
// it back while the page is open. It returns the number of visits.
func (p *project) lookAt(port, n int) int {
	page := open(p.t, p.dir, fmt.Sprintf("http://127.0.0.1:%d/", port))
	n++
	page.shows("visits", strconv.Itoa(n))
	page.shows("hello", "Hello Compose!")
	if c := page.colours(); c < 3 {
		p.t.Errorf("the page has %d colours: nothing was drawn", c)
	}
	for range 3 {
		page.run("document.getElementById('again').click()")
		n++
		page.shows("visits", strconv.Itoa(n))
	}
	p.compose("stop", "redis")
	testutil.Eventually(p.t, "the page says that Redis is away", func() bool { return strings.Contains(page.text("visits"), "redis") })
	p.compose("start", "redis")
	page.shows("visits", strconv.Itoa(n))
	return n
}
