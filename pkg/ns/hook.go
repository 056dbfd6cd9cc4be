// SPDX-License-Identifier: Apache-2.0

package ns

import (
	"fmt"
	"os"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
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
	p, err := os.StartProcess(h.Path, args, &os.ProcAttr{Env: env, Files: []*os.File{r, open(os.Stdout), open(os.Stderr)}})
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
		return fmt.Errorf("%s: %s", h.Path, st)
	}
	return nil
}

// open is f unless that is closed, as it is before a terminal is there.
func open(f *os.File) *os.File {
	if _, err := f.Stat(); err != nil {
		return nil
	}
	return f
}
