// SPDX-License-Identifier: Apache-2.0

package containercmd

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/container"
	"coracle/pkg/container/archive"
	"coracle/pkg/docker"
)

// handedConfig is where a container with --use-api-socket has the user's credentials,
// as with Docker's command line.
const handedConfig = "/run/secrets/docker/config.json"

// askCredentials are those that a container with the socket is to have, and what tells
// its clients of them. One that has its own DOCKER_CONFIG gets none.
func askCredentials(e *command.Env, c *cli.Context, q *docker.CreateRequest) ([]byte, error) {
	own := func(kv string) bool { return strings.HasPrefix(kv, "DOCKER_CONFIG=") }
	if !c.Bool("use-api-socket") || slices.ContainsFunc(q.Env, own) {
		return nil, nil
	}
	config, err := command.Access(e).Hand()
	if err != nil {
		return nil, command.Errorf("resolving credentials failed: %v", err)
	}
	if config != nil {
		q.Env = append(q.Env, "DOCKER_CONFIG="+path.Dir(handedConfig))
	}
	return config, nil
}

// handCredentials puts them into a container, before it starts. They stay there until
// it is removed.
func handCredentials(ctx context.Context, cs *container.Store, ctr *container.Container, config []byte) error {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(handedConfig, "/"), Size: int64(len(config)), Mode: 0o600})
	if err == nil {
		_, err = w.Write(config)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	go func() {
		defer to.Close()
		_, _ = io.Copy(to, &b) // who reads says what is wrong
	}()
	defer from.Close()
	_, err = archive.In(ctx, cs, ctr, from, archive.InOptions{Path: "/", Owners: true}, nil)
	return err
}
