// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"fmt"
	"os"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// RunHooks runs the hooks of one kind one after the other, with the state of
// the container on their standard input. The first that fails is the last.
func RunHooks(kind string, hooks []specs.Hook, state []byte) error {
	for i, h := range hooks {
		if err := runHook(h, state); err != nil {
			return fmt.Errorf("hooks.%s[%d]: %w", kind, i, err)
		}
	}
	return nil
}

func runHook(h specs.Hook, state []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	args, env := h.Args, h.Env
	if len(args) == 0 {
		args = []string{h.Path}
	}
	if env == nil {
		env = []string{}
	}
	said := memory("hook")
	defer said.Close()
	p, err := os.StartProcess(h.Path, args, &os.ProcAttr{Env: env, Files: []*os.File{r, said, said}})
	r.Close()
	if err != nil {
		w.Close()
		return err
	}
	go func() { // a hook need not read it
		_, _ = w.Write(state)
		w.Close()
	}()
	if h.Timeout != nil && *h.Timeout > 0 {
		defer time.AfterFunc(time.Duration(*h.Timeout)*time.Second, func() { _ = p.Kill() }).Stop()
	}
	st, err := p.Wait()
	if err != nil {
		return err
	}
	if !st.Success() {
		return fmt.Errorf("%s: %s%s", h.Path, st, words(said))
	}
	return nil
}

// memory is a file that has no name. What hooks say goes there, and not into the
// output of the container; and unlike a pipe it does not wait for what a hook has
// left running. Where the container's filter forbids it, it is nil: nothing is kept.
func memory(name string) *os.File {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), name)
}

// words are the last lines of what a hook has said, in one.
func words(said *os.File) string {
	const most = 1 << 10
	info, err := said.Stat()
	if err != nil {
		return ""
	}
	text := make([]byte, min(most, info.Size()))
	n, _ := said.ReadAt(text, info.Size()-int64(len(text)))
	if line := strings.Join(strings.Fields(string(text[:n])), " "); line != "" {
		return ": " + line
	}
	return ""
}
