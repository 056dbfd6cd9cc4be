// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// confirm asks, and takes anything but y for a no, the end of the input too.
func confirm(e *Env, question string) (bool, error) {
	answer, err := Ask(e, question+"\nAre you sure you want to continue? [y/N] ", false)
	return strings.EqualFold(answer, "y"), err
}

// Agreed is confirm, unless --force said so.
func Agreed(e *Env, c *cli.Context, question string) (bool, error) {
	if c.Bool("force") {
		return true, nil
	}
	return confirm(e, question)
}

// Ask reads a line of standard input; a secret one is not shown where that is
// a terminal. A signal ends the question with the code of one that ends a
// program, after the terminal has been given back as it was.
func Ask(e *Env, question string, secret bool) (string, error) {
	fd := int(e.Stdin.Fd())
	restore := func() {}
	if secret && term.IsTerminal(fd) {
		old, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return "", fmt.Errorf("read terminal's settings: %w", err)
		}
		restore = func() { _ = unix.IoctlSetTermios(fd, unix.TCSETS, old) }
		quiet := *old
		quiet.Lflag = quiet.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
		quiet.Iflag |= unix.ICRNL
		if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &quiet); err != nil {
			return "", fmt.Errorf("silence terminal: %w", err)
		}
	}
	defer restore()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	fmt.Fprint(e.Stdout, question)
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(oneByOne{e.Stdin}).ReadString('\n')
		line <- strings.TrimRight(text, "\r\n")
	}()
	select {
	case text := <-line:
		if secret {
			fmt.Fprintln(e.Stdout)
			return text, nil
		}
		return strings.TrimSpace(text), nil
	case sig := <-signals:
		fmt.Fprintln(e.Stdout)
		n, _ := sig.(syscall.Signal)
		return "", Exit(128 + int(n))
	}
}

// oneByOne keeps a buffered reader from taking what the next question is for.
type oneByOne struct{ f *os.File }

func (r oneByOne) Read(p []byte) (int, error) { return r.f.Read(p[:min(1, len(p))]) }
