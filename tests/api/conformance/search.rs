//! Looking for models at the hub, and their parameters.

use llm_api_testkit::each_db;

use super::{models::start, talk::Talk};

each_db! {
    async fn the_hub_is_searched(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/models/search?query=llama&limit=2&modality=image").await;
        talk.get("/v1/models/search?query=llama&source=elsewhere").await;
        talk.get("/v1/models/search").await;
        talk.get("/v1/models/search?query=llama&limit=0").await;
        talk.get("/v1/models/search?query=fails").await;
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/models/search?query=llama&limit=2&modality=image
            200
            {
              "next_cursor": "2",
              "results": [
                {
                  "downloads": 1000,
                  "hf_hosted_supported": null,
                  "id": "maker-1/llama-1b",
                  "last_modified": "2026-01-01T00:00:00.000Z",
                  "modality_hints": ["image"],
                  "name": "llama-1b",
                  "tags": ["transformers","safetensors","text-to-image","license:mit"]
                },
                {
                  "downloads": 500,
                  "hf_hosted_supported": null,
                  "id": "maker-2/llama-2b",
                  "last_modified": "2026-01-02T00:00:00.000Z",
                  "modality_hints": ["image"],
                  "name": "llama-2b",
                  "tags": ["transformers","safetensors","text-to-image","license:mit"]
                }
              ]
            }

            > GET /v1/models/search?query=llama&source=elsewhere
            400
            {
              "code": "bad_request",
              "detail": "Unsupported source",
              "error": {"code":"bad_request","message":"Unsupported source","param":null,"type":"invalid_request_error"},
              "request_id": "[id 1]"
            }

            > GET /v1/models/search
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["query","query"],"msg":"Field required","type":"missing"}],
              "error": {
                "code": "validation_error",
                "message": "query.query: Field required",
                "param": "query",
                "type": "invalid_request_error"
              },
              "request_id": "[id 2]"
            }

            > GET /v1/models/search?query=llama&limit=0
            422
            {
              "code": "validation_error",
              "detail": [{"loc":["query","limit"],"msg":"must be from 1 to 100","type":"value_error"}],
              "error": {
                "code": "validation_error",
                "message": "query.limit: must be from 1 to 100",
                "param": "limit",
                "type": "invalid_request_error"
              },
              "request_id": "[id 3]"
            }

            > GET /v1/models/search?query=fails
            502
            {
              "code": "upstream_error",
              "detail": {
                "code": "upstream_error",
                "message": "huggingface: the provider failed (500): Internal Error - We're working hard to fix this."
              },
              "error": {
                "code": "upstream_error",
                "message": "huggingface: the provider failed (500): Internal Error - We're working hard to fix this.",
                "param": null,
                "type": "server_error"
              },
              "request_id": "[id 4]"
            }
            "##); }
    }

    async fn parameters_are_described(database: Database) {
        let (app, ada) = start(database).await;
        let mut talk = Talk::new(&app, &ada);
        talk.get("/v1/schema?model=echo").await;
        talk.get("/v1/schema?model=stabilityai/sdxl-turbo").await;
        let all = app.get("/v1/schema", &ada.token).await.json().await;
        let modalities: Vec<&String> = all["modalities"].as_object().expect("an object").keys().collect();
        assert_eq!(modalities, ["3d", "image", "text"]);
        insta::allow_duplicates! { insta::assert_snapshot!(talk.told(), @r##"
            > GET /v1/schema?model=echo
            200
            {
              "model_id": "echo",
              "properties": {
                "format": {"description":"The form of the reply","enum":["text","json","markdown"],"title":"Format","type":"string"},
                "max_tokens": {
                  "default": 4096,
                  "description": "The longest reply, in tokens",
                  "maximum": 128000,
                  "minimum": 1,
                  "title": "Max tokens",
                  "type": "integer"
                },
                "temperature": {
                  "default": 0.7,
                  "description": "How freely the model chooses its words",
                  "maximum": 2.0,
                  "minimum": 0.0,
                  "title": "Temperature",
                  "type": "number"
                },
                "top_p": {
                  "default": 1.0,
                  "description": "Only the likeliest words that together have this probability",
                  "maximum": 1.0,
                  "minimum": 0.0,
                  "title": "Top P",
                  "type": "number"
                }
              },
              "version": "latest"
            }

            > GET /v1/schema?model=stabilityai/sdxl-turbo
            200
            {
              "model_id": "stabilityai/sdxl-turbo",
              "properties": {
                "clip_skip": {
                  "default": 0,
                  "description": "How many layers of the text encoder are left out",
                  "maximum": 12,
                  "minimum": 0,
                  "title": "CLIP skip",
                  "type": "integer"
                },
                "eta": {
                  "default": 0.0,
                  "description": "Noise added at each step, for some schedulers",
                  "maximum": 1.0,
                  "minimum": 0.0,
                  "title": "Eta",
                  "type": "number"
                },
                "guidance_scale": {
                  "default": 0.0,
                  "description": "How closely the image keeps to the prompt",
                  "maximum": 20.0,
                  "minimum": 0.0,
                  "title": "Guidance scale",
                  "type": "number"
                },
                "height": {"default":512,"description":"In pixels","maximum":4096,"minimum":256,"title":"Height","type":"integer"},
                "negative_prompt": {"description":"What the image must not show","title":"Negative prompt","type":"string"},
                "num_images": {
                  "default": 1,
                  "description": "How many images to make",
                  "maximum": 4,
                  "minimum": 1,
                  "title": "Images",
                  "type": "integer"
                },
                "num_inference_steps": {
                  "default": 4,
                  "description": "More steps take longer and show more detail",
                  "maximum": 150,
                  "minimum": 1,
                  "title": "Steps",
                  "type": "integer"
                },
                "scheduler": {
                  "default": "euler",
                  "description": "How noise becomes an image",
                  "enum": ["euler","euler_a","ddim","dpm","dpm++","lms","pndm","heun","unipc"],
                  "title": "Scheduler",
                  "type": "string"
                },
                "seed": {
                  "default": -1,
                  "description": "The same seed gives the same image; -1 is a random one",
                  "minimum": -1,
                  "title": "Seed",
                  "type": "integer"
                },
                "strength": {
                  "default": 0.8,
                  "description": "How far the image may depart from the one given",
                  "maximum": 1.0,
                  "minimum": 0.0,
                  "title": "Strength",
                  "type": "number"
                },
                "width": {"default":512,"description":"In pixels","maximum":4096,"minimum":256,"title":"Width","type":"integer"}
              },
              "version": "latest"
            }
            "##); }
    }
}
