"""The client side: pulling from cameras and other servers, and pushing to them."""
