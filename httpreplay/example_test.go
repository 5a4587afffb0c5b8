package httpreplay_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
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
