// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/moby/moby/client"
)

// reap is what testcontainers' reaper does: a client says by labels what it has
// made, and when all clients have gone that is removed.
func reap(ctx context.Context, c *client.Client) error {
	if _, err := c.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	fmt.Println("Started!")
	said, left := make(chan client.Filters), make(chan bool)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go listen(conn, said, left)
		}
	}()
	var filters []client.Filters
	for clients := 0; clients > 0 || len(filters) == 0; { // who only tries the port is none
		select {
		case f := <-said:
			if f == nil {
				clients++
				continue
			}
			filters = append(filters, f)
		case was := <-left:
			if was {
				clients--
			}
		}
	}
	for _, f := range filters {
		if err := remove(ctx, c, f); err != nil {
			return err
		}
	}
	return nil
}

// listen takes the filters that one client sends: before the first a nil one, for
// itself.
func listen(conn net.Conn, said chan<- client.Filters, left chan<- bool) {
	defer conn.Close()
	known := false
	for in := bufio.NewScanner(conn); in.Scan(); {
		f := make(client.Filters)
		for _, kv := range strings.Split(strings.TrimSpace(in.Text()), "&") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				f = f.Add(k, v)
			}
		}
		if !known {
			said <- nil
		}
		known = true
		said <- f
		fmt.Fprintln(conn, "ACK")
	}
	left <- known
}

// remove removes what has the labels: all but who does it.
func remove(ctx context.Context, c *client.Client, f client.Filters) error {
	self, err := os.Hostname() // the beginning of its own ID
	if err != nil {
		return err
	}
	list, err := c.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: f})
	if err != nil {
		return err
	}
	for _, o := range list.Items {
		if strings.HasPrefix(o.ID, self) {
			continue
		}
		if _, err := c.ContainerRemove(ctx, o.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			return err
		}
	}
	if _, err := c.NetworkPrune(ctx, client.NetworkPruneOptions{Filters: f}); err != nil {
		return err
	}
	images, err := c.ImageList(ctx, client.ImageListOptions{Filters: f})
	if err != nil {
		return err
	}
	for _, i := range images.Items {
		if _, err := c.ImageRemove(ctx, i.ID, client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			return err
		}
	}
	_, err = c.VolumePrune(ctx, client.VolumePruneOptions{All: true, Filters: f}) // adds to the filters: the last
	return err
}
