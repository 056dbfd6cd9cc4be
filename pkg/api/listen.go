// SPDX-License-Identifier: Apache-2.0

package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"coracle/pkg/wire/socket"
)

// Listen makes the socket that an address such as unix:///run/user/1000/docker.sock
// or tcp://127.0.0.1:2375 names. A unix socket is the user's alone, takes the place
// of one that nobody listens on any more, and is removed when it is closed. TCP is
// open to every user of this host, and so only on its own addresses, and not for web pages.
func Listen(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return listenUnix(path)
	}
	at, ok := strings.CutPrefix(address, "tcp://")
	if !ok {
		return nil, fmt.Errorf("invalid bind address (%s): unix://PATH and tcp://127.0.0.1:PORT are known", address)
	}
	ap, err := netip.ParseAddrPort(strings.Replace(at, "localhost:", "127.0.0.1:", 1))
	if err != nil {
		return nil, fmt.Errorf("invalid bind address (%s): %w", address, err)
	}
	if !ap.Addr().IsLoopback() {
		return nil, fmt.Errorf("invalid bind address (%s): whoever reaches the port has all that you have: only addresses of this host, as 127.0.0.1", address)
	}
	return net.Listen("tcp", ap.String())
}

func listenUnix(path string) (net.Listener, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("invalid bind address (unix://%s): it has no absolute path", path)
	}
	fail := func(err error) (net.Listener, error) { return nil, fmt.Errorf("listen on %s: %w", path, err) }
	dir, err := socket.OpenDir(filepath.Dir(path))
	if err != nil {
		return fail(bare(err))
	}
	defer dir.Close()
	old, err := os.Lstat(path)
	switch {
	case err == nil && old.Mode()&fs.ModeSocket == 0:
		return fail(errors.New("there is a file of that name that is no socket"))
	case err == nil:
		c, err := socket.Dial(path)
		if err == nil {
			c.Close()
			return fail(errors.New("somebody listens there already"))
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return fail(bare(err))
		}
	}
	l, err := socket.Listen(dir, filepath.Base(path))
	if err != nil {
		return fail(bare(err))
	}
	made, err := os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		l.Close()
		return fail(bare(err))
	}
	return &named{l, path, made}, nil
}

// named is a socket whose name goes with it.
type named struct {
	net.Listener
	path string
	made fs.FileInfo
}

func (n *named) Close() error {
	if now, err := os.Lstat(n.path); err == nil && os.SameFile(now, n.made) { // else another has taken its place
		_ = os.Remove(n.path)
	}
	return n.Listener.Close()
}

// bare is an error about a path without the path.
func bare(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// noPages keeps web pages in a browser of this host away from a port that is listened
// on: those of other sites say where they are from, and those whose site has taken the
// address of this host ask for that site.
func noPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host || !namesLoopback(r.Host) {
			http.Error(w, `{"message":"a web page may not use this port"}`, http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// namesLoopback reports whether what a client takes the server for is on this host by
// its name. Clients that were given an address of another kind say anything.
func namesLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	if host = strings.Trim(host, "[]"); !strings.Contains(host, ".") && net.ParseIP(host) == nil {
		return true // of no site: localhost, docker
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
