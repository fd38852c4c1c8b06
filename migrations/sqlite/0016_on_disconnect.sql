-- What becomes of a request made with a token when its client leaves before the end.
ALTER TABLE user_tokens ADD COLUMN on_disconnect TEXT NOT NULL DEFAULT 'cancel' CHECK (on_disconnect IN ('cancel', 'drain'));
