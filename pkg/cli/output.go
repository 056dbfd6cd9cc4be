// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/container"
	"coracle/pkg/ns"
)

// output is the standard output. It remembers that something of it was lost, so
// that no command ends with 0 after that, whoever wrote.
type output struct {
	*os.File
	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if err != nil {
		o.lose(err)
	}
	return n, err
}

// WriteString is Write: the file's own would pass it by, as would its ReadFrom.
func (o *output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// ReadFrom is for io.Copy.
func (o *output) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{o}, r)
}

// lose notes the first failure.
func (o *output) lose(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

// lost is that failure, or nil.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// lostOutput is the error of a command that has lost output of a container. Its
// code is never 0.
func lostOutput(code int, err error) error {
	var lost *container.OutputError
	if !errors.As(err, &lost) {
		return err
	}
	if code == 0 {
		code = 1
	}
	return exitWith(code, err)
}

// dieOfPipe ends this program as one that writes to a pipe without a reader is
// ended: by SIGPIPE, as docker's is. It returns when the caller has that signal
// ignored.
func dieOfPipe(e *env, err error) {
	var lost *container.OutputError
	if !errors.As(err, &lost) || !errors.Is(err, unix.EPIPE) {
		return
	}
	var f *os.File
	switch lost.Stream {
	case e.stdout.Name():
		f = e.stdout.File
	case e.stderr.Name():
		f = e.stderr
	default:
		return
	}
	_, _ = f.Write([]byte{'\n'}) // Go sends the signal for 1 and 2 (os/signal)
}

// codeOfPipe is the exit code of a stage that wrote to a standard output which
// nobody reads any more, as if SIGPIPE had ended it; 0 for everything else.
func codeOfPipe(err error) int {
	var path *fs.PathError
	if ns.Inside() && errors.Is(err, unix.EPIPE) && errors.As(err, &path) && path.Path == os.Stdout.Name() {
		return 128 + int(unix.SIGPIPE)
	}
	return 0
}

// createFile makes a file that the user has named, as the user's umask says.
func createFile(e *env, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(name, os.O_RDWR|os.O_TRUNC, 0)
	}
	if err == nil {
		err = f.Chmod(fileMode(e)) // the umask of this process is another one
	}
	return f, err
}

// writeFile writes one.
func writeFile(e *env, name string, data []byte) error {
	f, err := createFile(e, name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// fileMode is the mode of a file that the user has named.
func fileMode(e *env) os.FileMode { return os.FileMode(0o666 &^ e.umask) }
