// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"coracle/pkg/oci/registry"
)

func loginCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "login", Usage: "Authenticate to a registry", ArgsUsage: "[SERVER]",
		Flags: []cli.Flag{
			text("username", short("u"), "Username"),
			text("password", short("p"), "Password or Personal Access Token (PAT)"),
			flag("password-stdin", nil, "Take the Password or Personal Access Token (PAT) from stdin"),
		},
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 1); err != nil {
				return err
			}
			return e.runLogin(c)
		},
	}
}

func (e *env) runLogin(c *cli.Context) error {
	server := trimServer(c.Args().First())
	user, password, err := e.credentials(c, server)
	if err != nil {
		return err
	}
	reg, err := e.registry()
	if err != nil {
		return err
	}
	// The library that keeps credentials warns when they are kept in a file.
	if err := reg.Login(c.Context, server, user, password); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, "Login Succeeded")
	return nil
}

// trimServer takes what a user may put around a registry's name.
func trimServer(s string) string {
	if strings.Contains(s, "index.docker.io/v1") {
		return ""
	}
	for _, p := range []string{"https://", "http://"} {
		s = strings.TrimPrefix(s, p)
	}
	s, _, _ = strings.Cut(s, "/")
	return s
}

// credentials come from the flags, from standard input, or from whoever sits
// at the terminal.
func (e *env) credentials(c *cli.Context, server string) (user, password string, err error) {
	user, password = c.String("username"), c.String("password")
	switch {
	case c.IsSet("password") && c.Bool("password-stdin"):
		return "", "", cliErrorf("--password and --password-stdin are mutually exclusive")
	case c.IsSet("password"):
		fmt.Fprintln(e.stderr, "WARNING! Using --password via the CLI is insecure. Use --password-stdin.")
	case c.Bool("password-stdin"):
		if user == "" {
			return "", "", cliErrorf("Must provide --username with --password-stdin")
		}
		data, err := io.ReadAll(io.LimitReader(e.stdin, 64<<10))
		if err != nil {
			return "", "", fmt.Errorf("read password: %w", err)
		}
		password = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	default:
		if stored, secret := registry.StoredLogin(server); stored != "" && secret != "" && (user == "" || user == stored) {
			fmt.Fprintf(e.stdout, "Authenticating with existing credentials... [Username: %s]\n", stored)
			return stored, secret, nil
		}
		return e.askCredentials(user)
	}
	if password == "" {
		return "", "", cliErrorf("password is empty")
	}
	return user, password, nil
}

func (e *env) askCredentials(user string) (string, string, error) {
	if !isTerminal(e.stdin) {
		return "", "", cliErrorf("error: cannot perform an interactive login from a non-TTY device")
	}
	if user == "" {
		fmt.Fprint(e.stdout, "Username: ")
		line, err := bufio.NewReader(oneByOne{e.stdin}).ReadString('\n')
		if user = strings.TrimSpace(line); user == "" {
			return "", "", errors.Join(cliErrorf("username is required"), ignoreEOF(err))
		}
	}
	fmt.Fprint(e.stdout, "Password: ")
	secret, err := term.ReadPassword(int(e.stdin.Fd()))
	fmt.Fprintln(e.stdout)
	if err != nil {
		return "", "", fmt.Errorf("read password: %w", err)
	}
	if len(secret) == 0 {
		return "", "", cliErrorf("password is required")
	}
	return user, string(secret), nil
}

// oneByOne keeps a buffered reader from taking the password with the name.
type oneByOne struct{ f *os.File }

func (r oneByOne) Read(p []byte) (int, error) { return r.f.Read(p[:min(1, len(p))]) }

func ignoreEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func logoutCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "logout", Usage: "Log out from a registry", ArgsUsage: "[SERVER]",
		Action: func(c *cli.Context) error {
			if err := e.needArgs(c, commandPath(c), 0, 1); err != nil {
				return err
			}
			server := trimServer(c.Args().First())
			shown := server
			if shown == "" {
				shown = "https://index.docker.io/v1/"
			}
			known, err := registry.Logout(server)
			if err != nil {
				return err
			}
			if !known {
				fmt.Fprintf(e.stdout, "Not logged in to %s\n", shown)
				return nil
			}
			fmt.Fprintf(e.stdout, "Removing login credentials for %s\n", shown)
			return nil
		},
	}
}
