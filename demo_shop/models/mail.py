from django.db import models


class SentMail(models.Model):
    """A mail as it left the shop, for the Inbox page."""

    to = models.CharField(max_length=320, db_index=True)
    subject = models.CharField(max_length=500)
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    headers = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self):
        return f"{self.subject} -> {self.to}"
