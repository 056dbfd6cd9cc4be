// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"coracle/pkg/container/control"
)

// Output is the standard output. It remembers that something of it was lost, so
// that no command ends with 0 after that, whoever wrote.
type Output struct {
	*os.File
	mu  sync.Mutex
	err error
}

func (o *Output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if err != nil {
		o.Lose(err)
	}
	return n, err
}

// WriteString is Write: the file's own would pass it by, as would its ReadFrom.
func (o *Output) WriteString(s string) (int, error) { return o.Write([]byte(s)) }

// ReadFrom is for io.Copy.
func (o *Output) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{o}, r)
}

// Lose notes the first failure.
func (o *Output) Lose(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

// Lost is that failure, or nil.
func (o *Output) Lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// LostOutput is the error of a command that has lost output of a container. Its
// code is never 0.
func LostOutput(code int, err error) error {
	var lost *control.OutputError
	if !errors.As(err, &lost) {
		return err
	}
	if code == 0 {
		code = 1
	}
	return ExitWith(code, err)
}

// DieOfPipe ends this program as one that writes to a pipe without a reader is
// ended: by SIGPIPE, as docker's is. It returns when the caller has that signal
// ignored.
func DieOfPipe(e *Env, err error) {
	var lost *control.OutputError
	if !errors.As(err, &lost) || !errors.Is(err, unix.EPIPE) {
		return
	}
	var f *os.File
	switch lost.Stream {
	case e.Stdout.Name():
		f = e.Stdout.File
	case e.Stderr.Name():
		f = e.Stderr
	default:
		return
	}
	_, _ = f.Write([]byte{'\n'}) // Go sends the signal for 1 and 2 (os/signal)
}

// CreateFile makes a file that the user has named, as the user's umask says.
func CreateFile(e *Env, name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(name, os.O_RDWR|os.O_TRUNC, 0)
	}
	if err == nil {
		err = f.Chmod(FileMode(e)) // the umask of this process is another one
	}
	return f, err
}

// WriteFile writes one.
func WriteFile(e *Env, name string, data []byte) error {
	f, err := CreateFile(e, name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}

// FileMode is the mode of a file that the user has named.
func FileMode(e *Env) os.FileMode { return os.FileMode(0o666 &^ e.Umask) }
