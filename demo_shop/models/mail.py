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


class SentFile(models.Model):
    """What was attached to it."""

    mail = models.ForeignKey(SentMail, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255, blank=True)
    kind = models.CharField(max_length=120)
    content = models.BinaryField()

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return self.name or self.kind

    @property
    def size(self):
        return len(self.content)

    @property
    def text(self):
        """To be read on the page, where it is text at all."""
        return bytes(self.content).decode(errors="replace") if self.kind.startswith("text/") else ""
