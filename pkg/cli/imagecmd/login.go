// SPDX-License-Identifier: Apache-2.0

package imagecmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"coracle/pkg/cli/command"
	"coracle/pkg/cli/flags"
	"coracle/pkg/oci/registry"
)

// Login is the command login: authenticate to a registry.
func Login(e *command.Env) *cli.Command {
	return &cli.Command{
		Name: "login", Usage: "Authenticate to a registry", ArgsUsage: "[SERVER]",
		Flags: []cli.Flag{
			flags.Text("username", flags.Short("u"), "Username"),
			flags.Text("password", flags.Short("p"), "Password or Personal Access Token (PAT)"),
			flags.Bool("password-stdin", nil, "Take the Password or Personal Access Token (PAT) from stdin"),
		},
		Action: command.Takes(e, 0, 1, runLogin),
	}
}

func runLogin(e *command.Env, c *cli.Context) error {
	server := registry.TrimServer(c.Args().First())
	user, password, err := credentials(e, c, server)
	if err != nil {
		return err
	}
	reg, err := registry.New(command.Access(e))
	if err != nil {
		return err
	}
	// The library that keeps credentials warns when they are kept in a file.
	if err := reg.Login(c.Context, server, user, password); err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, "Login Succeeded")
	return nil
}

// credentials come from the flags, from standard input, or from whoever sits
// at the terminal.
func credentials(e *command.Env, c *cli.Context, server string) (user, password string, err error) {
	user, password = c.String("username"), c.String("password")
	switch {
	case c.IsSet("password") && c.Bool("password-stdin"):
		return "", "", command.Errorf("--password and --password-stdin are mutually exclusive")
	case c.IsSet("password"):
		fmt.Fprintln(e.Stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
	case c.Bool("password-stdin"):
		if user == "" {
			return "", "", command.Errorf("Must provide --username with --password-stdin")
		}
		data, err := io.ReadAll(io.LimitReader(e.Stdin, 64<<10))
		if err != nil {
			return "", "", fmt.Errorf("read password: %w", err)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	default:
		if stored, secret := command.Access(e).StoredLogin(server); stored != "" && secret != "" && (user == "" || user == stored) {
			fmt.Fprintf(e.Stdout, "Authenticating with existing credentials... [Username: %s]\n", stored)
			return stored, secret, nil
		}
		return askCredentials(e, user)
	}
	if password == "" {
		return "", "", command.Errorf("password is empty")
	}
	return user, password, nil
}

func askCredentials(e *command.Env, user string) (string, string, error) {
	if !command.IsTerminal(e.Stdin) {
		return "", "", command.Errorf("error: cannot perform an interactive login from a non-TTY device")
	}
	var err error
	if user == "" {
		if user, err = command.Ask(e, "Username: ", false); err != nil {
			return "", "", err
		}
		if user == "" {
			return "", "", command.Errorf("username is required")
		}
	}
	secret, err := command.Ask(e, "Password: ", true)
	if err != nil {
		return "", "", err
	}
	if secret == "" {
		return "", "", command.Errorf("password is required")
	}
	return user, secret, nil
}
