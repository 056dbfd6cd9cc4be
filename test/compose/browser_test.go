// SPDX-License-Identifier: Apache-2.0

package compose

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"coracle/internal/testutil"
)

// browsers are the programs that can open a page without a screen: Debian's, and others'.
var browsers = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

// tab is a page in a browser without a screen, which is spoken to in the DevTools
// protocol through a pair of pipes: JSON messages, each with a zero byte behind it.
type tab struct {
	t       *testing.T
	to      io.Writer
	from    *bufio.Reader
	session string
	id      int
}

// open starts a browser with a home below dir, and opens a page in it.
func open(t *testing.T, dir, url string) *tab {
	t.Helper()
	var path string
	for _, name := range browsers {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skipf("there is no browser: none of %v", browsers)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(dir, "browser")
	var said bytes.Buffer
	// The page is the test's own: it needs no sandbox, which not every host allows.
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--user-data-dir="+home, "--remote-debugging-pipe", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home, "XDG_CACHE_HOME="+home)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // descriptors 3 and 4, as the browser wants them
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	t.Cleanup(func() {
		in.Close() // which ends it
		_ = cmd.Wait()
		out.Close()
		if t.Failed() {
			t.Logf("the browser said:\n%s", said.String())
		}
	})
	b := &tab{t: t, to: in, from: bufio.NewReader(out)}
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": url, "width": 700, "height": 500}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	return b
}

// call asks the browser for something, and waits for the answer to it.
func (b *tab) call(method string, params map[string]any, result any) {
	b.t.Helper()
	b.id++
	request := map[string]any{"id": b.id, "method": method, "params": params}
	if b.session != "" {
		request["sessionId"] = b.session
	}
	text, err := json.Marshal(request)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		line, err := b.from.ReadBytes(0)
		if err != nil {
			b.t.Fatalf("%s: the browser has ended: %v", method, err)
		}
		var answer struct {
			ID     int
			Error  json.RawMessage
			Result json.RawMessage
		}
		if err := json.Unmarshal(bytes.TrimSuffix(line, []byte{0}), &answer); err != nil {
			b.t.Fatalf("%s: %v: %s", method, err, line)
		}
		if answer.ID != b.id {
			continue // an event
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if err := json.Unmarshal(answer.Result, result); err != nil {
			b.t.Fatalf("%s: %v: %s", method, err, answer.Result)
		}
		return
	}
}

// run has the page's script say something, as a string.
func (b *tab) run(script string) string {
	b.t.Helper()
	var said struct{ Result struct{ Value any } }
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true}, &said)
	return fmt.Sprint(said.Result.Value)
}

// text is what an element of the page says.
func (b *tab) text(id string) string {
	b.t.Helper()
	return b.run(fmt.Sprintf("document.getElementById(%q)?.textContent", id))
}

// shows waits until an element of the page says something.
func (b *tab) shows(id, want string) {
	b.t.Helper()
	testutil.Eventually(b.t, fmt.Sprintf("the page's %s is %s", id, want), func() bool { return b.text(id) == want })
}

// colours counts how many there are in a picture of the page.
func (b *tab) colours() int {
	b.t.Helper()
	var shot struct{ Data []byte }
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &shot)
	picture, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		b.t.Fatal(err)
	}
	seen := map[any]bool{}
	size := picture.Bounds()
	for y := size.Min.Y; y < size.Max.Y; y++ {
		for x := size.Min.X; x < size.Max.X; x++ {
			seen[picture.At(x, y)] = true
		}
	}
	return len(seen)
}
