package httpreplay_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"example.com/safeconduct/httpreplay"
)

const recording = "httprr trace v1\n" +
	"107 88\n" +
	"POST https://api.example.com/v1/chat HTTP/1.1\r\n" +
	"Host: api.example.com\r\n" +
	"Content-Length: 15\r\n" +
	"\r\n" +
	`{"prompt":"hi"}` +
	"HTTP/1.1 200 OK\r\n" +
	"Content-Type: application/json\r\n" +
	"Content-Length: 17\r\n" +
	"\r\n" +
	`{"text":"hello"}` + "\n"

func ExampleNew() {
	exchanges, err := httpreplay.Read(strings.NewReader(recording))
	if err != nil {
		fmt.Println(err)
		return
	}
	client := &http.Client{Transport: httpreplay.New(exchanges...)}
	for range 2 {
		res, err := client.Post("https://api.example.com/v1/chat", "application/json", strings.NewReader(`{ "prompt": "hi" }`))
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(os.Stdout, res.Body) // a failed write shows in the output
		_ = res.Body.Close()                // read to its end
	}
	// Output:
	// {"text":"hello"}
	// Post "https://api.example.com/v1/chat": httpreplay: none of the 0 exchanges left was recorded for this POST api.example.com/v1/chat
}

func ExampleOpen() {
	_, err := httpreplay.Open("testdata/none.httprr")
	fmt.Println(err)
	// Output: httpreplay: open testdata/none.httprr: no such file or directory
}

// What a server answers is recorded, and then replayed without it.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "httpreplay-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system empties it else
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }))
	name := filepath.Join(dir, "greeting.httprr")

	recorder, err := httpreplay.Create(name, httpreplay.RecordOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	greet(recorder.Client(), server.URL+"/greeting?key=my-own-secret")
	if err := recorder.Close(); err != nil {
		fmt.Println(err)
		return
	}
	server.Close()

	replay, err := httpreplay.Open(name)
	if err != nil {
		fmt.Println(err)
		return
	}
	greet(replay.Client(), server.URL+"/greeting?key=another")
	_, err = httpreplay.Create(name, httpreplay.RecordOptions{})
	fmt.Println(errors.Is(err, fs.ErrExist))
	// Output:
	// hello
	// hello
	// true
}

func greet(c *http.Client, url string) {
	res, err := c.Get(url)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(string(text))
}
