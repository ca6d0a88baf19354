// Command image assembles the OCI image of Forkable from its static binary, without a container runtime. Equal inputs give an
// equal digest.
//
//	go run . -binary forkable -version 0.1.0 -output forkable.tar
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nonroot is the user of distroless images, too.
const nonroot = 65532

func main() {
	log.SetFlags(0)
	binary := flag.String("binary", "", "the static binary")
	certificates := flag.String("certificates", "/etc/ssl/certs/ca-certificates.crt", "root certificates, PEM")
	version := flag.String("version", "dev", "version of the image, which is also its tag")
	architecture := flag.String("architecture", "amd64", "architecture of the binary")
	output := flag.String("output", "forkable.tar", "tarball in the OCI layout that is written; `docker load` takes it, too")
	rootfs := flag.String("rootfs", "", "also unpack the file system into this folder")
	flag.Parse()
	if err := run(*binary, *certificates, *version, *architecture, *output, *rootfs); err != nil {
		log.Fatalf("image: %v", err)
	}
}

func run(binary, certificates, version, architecture, output, rootfs string) error {
	files, err := fileSystem(binary, certificates)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	}, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	image, err = mutate.ConfigFile(image, config(image, version, architecture))
	if err != nil {
		return err
	}
	if err := write(image, version, output); err != nil {
		return err
	}
	if rootfs != "" {
		if err := unpack(files, rootfs); err != nil {
			return err
		}
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	info, err := os.Stat(output)
	if err != nil {
		return err
	}
	fmt.Printf("%s  %.1f MiB  forkable:%s  %s\n", output, float64(info.Size())/(1<<20), version, digest)
	return nil
}

func config(image v1.Image, version, architecture string) *v1.ConfigFile {
	file, err := image.ConfigFile()
	if err != nil {
		log.Fatal(err)
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", architecture
	file.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", nonroot, nonroot),
		Entrypoint:   []string{"/forkable"},
		Env:          []string{"PATH=/", "HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		WorkingDir:   "/home/nonroot",
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "forkable",
			"org.opencontainers.image.version":  version,
			"org.opencontainers.image.source":   "https://github.com/forkable-dev/forkable",
			"org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return file
}

// fileSystem is everything in the image, as a tar archive whose times are all the same.
func fileSystem(binary, certificates string) ([]byte, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	roots, err := os.ReadFile(certificates)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	add := func(name string, mode int64, owner int, content []byte) {
		header := &tar.Header{Name: name, Mode: mode, Uid: owner, Gid: owner, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
		header.Typeflag = tar.TypeReg
		if content == nil {
			header.Typeflag = tar.TypeDir
		}
		if err == nil {
			err = writer.WriteHeader(header)
		}
		if err == nil {
			_, err = writer.Write(content)
		}
	}
	for _, folder := range []string{"etc/", "etc/ssl/", "etc/ssl/certs/", "home/"} {
		add(folder, 0o755, 0, nil)
	}
	add("home/nonroot/", 0o700, nonroot, nil)
	add("tmp/", 0o1777, 0, nil)
	add("etc/passwd", 0o644, 0, fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:%d:%[1]d:nonroot:/home/nonroot:/sbin/nologin\n", nonroot))
	add("etc/group", 0o644, 0, fmt.Appendf(nil, "root:x:0:\nnonroot:x:%d:\n", nonroot))
	add("etc/nsswitch.conf", 0o644, 0, []byte("hosts: files dns\n"))
	add("etc/ssl/certs/ca-certificates.crt", 0o644, 0, roots)
	add("forkable", 0o755, 0, program)
	if err == nil {
		err = writer.Close()
	}
	return archive.Bytes(), err
}

// write puts the image into a tarball in the OCI layout.
func write(image v1.Image, version, output string) error {
	folder, err := os.MkdirTemp("", "forkable-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	path, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	names := layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": version,
		"io.containerd.image.name":          "ghcr.io/forkable-dev/forkable:" + version,
	})
	if err := path.AppendImage(image, names); err != nil {
		return err
	}
	if err := dockerManifest(image, version, folder); err != nil {
		return err
	}
	file, err := os.Create(output)
	if err != nil {
		return err
	}
	defer file.Close()
	writer := tar.NewWriter(file)
	if err := writer.AddFS(os.DirFS(folder)); err != nil {
		return err
	}
	return writer.Close()
}

// dockerManifest tells older versions of Docker where the parts of the layout are.
func dockerManifest(image v1.Image, version, folder string) error {
	blob := func(hash v1.Hash) string { return "blobs/" + hash.Algorithm + "/" + hash.Hex }
	configName, err := image.ConfigName()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	digest, err := layers[0].Digest()
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{
		"Config":   blob(configName),
		"RepoTags": []string{"ghcr.io/forkable-dev/forkable:" + version},
		"Layers":   []string{blob(digest)},
	}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "manifest.json"), manifest, 0o644)
}

// unpack lays the file system out, so that the program can be tried in it.
func unpack(files []byte, folder string) error {
	reader := tar.NewReader(bytes.NewReader(files))
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(folder, header.Name)
		if header.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
		} else {
			content, err := io.ReadAll(reader)
			if err != nil {
				return err
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				return err
			}
		}
		mode := fs.FileMode(header.Mode).Perm()
		if header.Mode&0o1000 != 0 {
			mode |= fs.ModeSticky
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(path, header.Uid, header.Gid); err != nil {
				return err
			}
		}
	}
}
