"""Channels and waiting units change what can be promised, too: the database marks it."""

from django.db import migrations

FORWARD = """
CREATE SEQUENCE orders_channelstock_number;

CREATE FUNCTION orders_mark_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    SELECT DISTINCT s.product_id FROM inventory_stock s
      JOIN inventory_poollocation m ON m.location_id = s.location_id
     WHERE m.pool_id = NEW.pool_id
     UNION SELECT c.product_id FROM orders_channelstock c WHERE c.channel_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_channel AFTER INSERT ON orders_saleschannel
    FOR EACH ROW EXECUTE FUNCTION orders_mark_channel();
CREATE TRIGGER mark_changed_channel AFTER UPDATE ON orders_saleschannel FOR EACH ROW
    WHEN ((OLD.pool_id, OLD.active) IS DISTINCT FROM (NEW.pool_id, NEW.active))
    EXECUTE FUNCTION orders_mark_channel();

CREATE FUNCTION orders_mark_waiting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO inventory_stockchange (product_id)
    SELECT l.product_id FROM orders_orderline l
     WHERE l.id = CASE WHEN TG_OP = 'DELETE' THEN OLD.line_id ELSE NEW.line_id END;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_waiting AFTER INSERT ON orders_allocation FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.reservation_id IS NULL)
    EXECUTE FUNCTION orders_mark_waiting();
CREATE TRIGGER mark_waiting_change AFTER UPDATE ON orders_allocation FOR EACH ROW
    WHEN ((OLD.state = 'queued' AND OLD.reservation_id IS NULL)
       OR (NEW.state = 'queued' AND NEW.reservation_id IS NULL))
    EXECUTE FUNCTION orders_mark_waiting();
"""
BACKWARD = """
DROP TRIGGER mark_waiting ON orders_allocation;
DROP TRIGGER mark_waiting_change ON orders_allocation;
DROP FUNCTION orders_mark_waiting();
DROP TRIGGER mark_channel ON orders_saleschannel;
DROP TRIGGER mark_changed_channel ON orders_saleschannel;
DROP FUNCTION orders_mark_channel();
DROP SEQUENCE orders_channelstock_number;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0002_baskets_and_published_stock"),
        ("inventory", "0004_the_database_keeps_watch"),
    ]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
