// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"
)

// upload lets do read the body of the request as a file, which a worker can be
// given. Where the client leaves in the middle the context of do ends: what it has
// read is not all.
func (c *call) upload(do func(ctx context.Context, in *os.File) error) error {
	ctx, cancel := context.WithCancel(c.ctx())
	defer cancel()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	// The connection is not used again: what is left of the body may never come, and a
	// deadline for that ends the context of everything that is asked for on it.
	c.w.Header().Set("Connection", "close")
	// The answer begins before all has been read.
	_ = http.NewResponseController(c.w).EnableFullDuplex()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		defer w.Close()
		if _, err := io.Copy(w, c.r.Body); err != nil {
			cancel() // the client's doing: nobody else closes what is read below
		}
	}()
	err = do(ctx, r)
	wait := time.Time{}.Add(1)
	if err == nil { // what follows the end of an archive
		wait = time.Now().Add(partTime)
	}
	// The body is the server's again when this returns: nobody else may read it then.
	_ = http.NewResponseController(c.w).SetReadDeadline(wait)
	if err == nil {
		_, _ = io.Copy(io.Discard, r)
	}
	r.Close() // which ends who writes to it
	<-sent
	return err
}

// download answers with what write writes to a file. A failure before the first
// byte has a status of its own; one after that ends the connection, so that nobody
// takes a part for the whole. The answer does not begin before ready is closed, if it is
// not nil: what is told beside the file may come later than its first bytes.
func (c *call) download(contentType string, ready <-chan struct{}, write func(out *os.File) error) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	done := make(chan error, 1)
	go func() {
		defer w.Close()
		done <- write(w)
	}()
	first := make([]byte, 32<<10)
	n, err := r.Read(first)
	if err == io.EOF {
		if err := <-done; err != nil {
			return err
		}
		c.begin(http.StatusOK, contentType)
		return nil
	}
	if err != nil {
		return err
	}
	if ready != nil {
		select {
		case <-ready:
		case err := <-done: // all is written, or has failed
			done <- err
		}
	}
	c.begin(http.StatusOK, contentType)
	if _, err = c.w.Write(first[:n]); err == nil {
		_, err = io.Copy(c.w, r)
	}
	r.Close()
	if werr := <-done; err != nil || werr != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}
