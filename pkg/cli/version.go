// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"
)

// apiVersion is that of the Docker engine whose command line this is.
const apiVersion = "1.51"

// versionText has the one program in both of Docker's places: scripts look for
// either.
const versionText = `Client:
 Version:           %[1]s
 API version:       %[2]s
 Go version:        %[3]s
 OS/Arch:           %[4]s/%[5]s
 Context:           default

Server: coracle
 Engine:
  Version:          %[1]s
  API version:      %[2]s (minimum version 1.24)
  Go version:       %[3]s
  OS/Arch:          %[4]s/%[5]s
  Experimental:     false
`

// versionInfo has the fields of Docker's version.
func versionInfo() (obj, error) {
	_, release, err := uname()
	if err != nil {
		return nil, err
	}
	client := obj{
		"Version": Version, "ApiVersion": apiVersion, "DefaultAPIVersion": apiVersion, "GoVersion": runtime.Version(),
		"Os": runtime.GOOS, "Arch": runtime.GOARCH, "Context": "default", "Platform": obj{"Name": "coracle"},
	}
	server := obj{
		"Version": Version, "ApiVersion": apiVersion, "MinAPIVersion": "1.24", "GoVersion": runtime.Version(),
		"Os": runtime.GOOS, "Arch": runtime.GOARCH, "KernelVersion": release, "Platform": obj{"Name": "coracle"},
		"Components": []obj{{"Name": "Engine", "Version": Version, "Details": obj{"ApiVersion": apiVersion, "Os": runtime.GOOS, "Arch": runtime.GOARCH}}},
	}
	return obj{"Client": client, "Server": server}, nil
}

func versionCommand(e *env) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "Show the version information", Flags: []cli.Flag{text("format", short("f"), "Format output using a custom template")},
		Action: func(c *cli.Context) error {
			if f := c.String("format"); f != "" {
				v, err := versionInfo()
				if err != nil {
					return err
				}
				return e.inspect(orJSON(f), []any{v})
			}
			fmt.Fprintf(e.stdout, versionText, Version, apiVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// orJSON makes --format json the template that prints one object on a line.
func orJSON(f string) string {
	if f == "json" {
		return "{{json .}}"
	}
	return f
}
